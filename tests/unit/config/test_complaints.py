"""What is said of options in the picture: preprocess, refine, compose, layouts."""

import pytest
import yaml

from streamer.config import parse_config
from streamer.errors import ConfigError

BACKGROUNDS = 'black, white, green, "#rrggbb", transparent, blur, pixelate, dim'
LAYOUTS = "side_by_side, stack, grid, source, cutout, mask, alpha, composite, overlay"


def complaint(text: str) -> str:
    data = {"source": {"type": "usb"}, "sinks": [{"type": "discard"}]} | yaml.safe_load(text)
    with pytest.raises(ConfigError) as caught:
        parse_config(data, name="c")
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix("c: ")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "compose: {background: blurr}",
            f"compose.background: 'blurr' is not one of {BACKGROUNDS}, a mapping with a type: "
            "did you mean 'blur'?",
        ),
        (
            "compose: {background: {type: blurr}}",
            "compose.background.type: 'blurr' is not one of colour, transparent, image, video, "
            "blur, pixelate, dim: did you mean 'blur'?",
        ),
        (
            "compose: {background: image}",
            "compose.background: needs a path: write {type: image, path: …}",
        ),
        ("compose: {background: {type: video}}", "compose.background.path: is missing"),
        (
            "compose: {background: {type: blur, strenght: 1}}",
            "compose.background: unknown key 'strenght': did you mean 'strength'?",
        ),
        (
            "compose:\n  background: #00ff00",
            f"compose.background: nothing is not one of {BACKGROUNDS}, a mapping with a type: "
            "put quotes around a colour that begins with #",
        ),
        (
            "compose: {overlay: {colour: red}}",
            "compose.overlay.colour: 'red' is not one of black, white, green, \"#rrggbb\"",
        ),
        ("preprocess: {roi: [0, 0, 1]}", "preprocess.roi: needs 4 entries, not 3"),
        ("preprocess: {roi: [0, 0, 1, 1, 1]}", "preprocess.roi: needs 4 entries, not 5"),
        (
            "preprocess: {roi: [[0, 0, 1, 1], [0, 1]]}",
            "preprocess.roi.1: needs 4 entries, not 2",
        ),
        ("preprocess: {roi: [0, 0, a, 1]}", "preprocess.roi.2: 'a' is not a number"),
        (
            "preprocess: {roi: [1, 0, 1, 1]}",
            "preprocess.roi: [1, 0, 1, 1]: is outside of the frame",
        ),
        (
            "preprocess: {roi: [0, 0, 0, 9]}",
            "preprocess.roi: [0, 0, 0, 9]: is left, top, width, height, the last two above 0",
        ),
        ("preprocess: {blur: {size_px: 4}}", "preprocess.blur.size_px: must be odd: 3 or 5"),
        ("preprocess: {blur: gaussian}", "preprocess.blur: 'gaussian' is not a mapping"),
        (
            "preprocess: {hsv: {ranges: [{hue: [300, 400]}]}}",
            "preprocess.hsv.ranges.0.hue.1: 400 is not at most 360",
        ),
        ("preprocess: {max_side: 99, scale: 0.5}", "preprocess: give either max_side or scale"),
        ("refine: {band: [0.8, 0.2]}", "refine.band: is [low, high], with 0 <= low < high <= 1"),
        ("refine: {band: [0.8]}", "refine.band: needs 2 entries, not 1"),
        (
            "refine: {feather: outwards}",
            "refine.feather: 'outwards' is not one of inward, outward: did you mean 'outward'?",
        ),
        (
            "sinks: [{type: display, layout: gird}]",
            f"sinks.0.layout: 'gird' is not one of {LAYOUTS}: did you mean 'grid'?",
        ),
        (
            "sinks: [{type: display, panels: [cutout, maks]}]",
            "sinks.0.panels.1: 'maks' is not one of source, cutout, mask, alpha, composite, "
            "overlay: did you mean 'mask'?",
        ),
        ("sinks: [{type: display, tile: [640]}]", "sinks.0.tile: needs 2 entries, not 1"),
    ],
)
def test_one_thing_wrong_is_one_line_with_the_way_out(text, expected):
    assert complaint(text) == expected


def test_of_ways_to_write_an_option_the_nearest_is_what_is_corrected():
    assert complaint("model: {providers: [cuda, cpuu]}").startswith("model.providers.1: 'cpuu'")
    assert complaint("model: {threads: 0}") == "model.threads: 0 is not 'auto' or at least 1"
