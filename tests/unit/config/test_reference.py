import re
from collections.abc import Iterator

import pytest
import yaml
from pydantic import BaseModel

from streamer.config import Config
from streamer.config.data import models_in
from streamer.config.describe.examples import EXAMPLES
from streamer.config.describe.reference import reference
from tests.unit.config.written import ROOT

PAGE = reference()
HEADINGS = re.findall(r"^#{2,} (.*)$", PAGE, re.MULTILINE)


def models(model: type[BaseModel] = Config) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for held in models_in(field.annotation):
            yield from models(held)


def rows(heading: str) -> dict[str, list[str]]:
    """The cells beside each option in the first table under *heading*."""
    section = re.split(rf"^#+ {re.escape(heading)}\n", PAGE, flags=re.MULTILINE)[1]
    cells = [line.strip("| ").split(" | ") for line in section.split("\n#")[0].splitlines()]
    return {row[0].strip("[]`").partition("`")[0]: row[1:] for row in cells if len(row) == 4}


def test_the_page_in_docs_is_the_one_that_is_printed():
    committed = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    assert committed == PAGE, "run: streamer config reference > docs/configuration.md"


@pytest.mark.parametrize("model", sorted(set(models()), key=lambda model: model.__name__))
def test_every_option_stands_in_a_table(model):
    for name in model.model_fields.keys() - {"type"}:
        assert re.search(rf"^\| (\[`{name}`\]\(.*\)|`{name}`) \|", PAGE, re.MULTILINE), name


@pytest.mark.parametrize(
    ("heading", "option", "values", "default"),
    [
        ("source: usb", "fps", "number from 0.0001 to 1000", "absent"),
        ("source: rtsp", "url", "text, never printed", "required"),
        ("source: usb", "fourcc", "text of 4 characters", "`MJPG`"),
        ("refine", "grow_px", "whole number from -64 to 64", "`0`"),
        ("refine", "band", "list of 2 numbers", "absent"),
        ("preprocess", "scale", "number above 0, at most 1", "absent"),
        ("preprocess", "roi", "list of 4 numbers or list of lists of 4 numbers", "absent"),
        ("preprocess.hsv.ranges", "hue", "list of 2 numbers from 0 to 360", "`[0.0, 360.0]`"),
        ("model", "threads", "`auto` or whole number from 1 to 1024", "`auto`"),
        ("compose.overlay", "colour", "colour", "`green`"),
        (
            "compose",
            "background",
            "`transparent`, `blur`, `pixelate`, `dim` or colour or mapping",
            "`{type: colour, colour: black}`",
        ),
        ("compose", "overlay", "mapping", "as below"),
        ("sinks: images", "layout", None, "`cutout`"),
        ("matting", "mode", "`auto`, `every_frame`, `tracked`", "`auto`"),
    ],
)
def test_values_limits_and_defaults_are_in_words(heading, option, values, default):
    shown = rows(heading)[option]
    assert shown[1] == default
    assert values is None or shown[0] == values


def test_what_all_sinks_take_stands_once():
    assert "columns" in rows("sinks")
    assert "columns" not in rows("sinks: record")


def test_no_heading_stands_twice_and_links_lead_to_one():
    assert len(HEADINGS) == len(set(HEADINGS))
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADINGS}
    assert set(re.findall(r"\]\(#(.*?)\)", PAGE)) <= anchors


def test_every_section_of_a_file_has_an_example_that_sets_it():
    shown = set(EXAMPLES)
    assert shown <= set(HEADINGS)
    for heading in HEADINGS:
        part, _, kind = heading.partition(": ")
        if part not in Config.model_fields or (part in ("source", "sinks") and not kind):
            continue
        assert heading in shown, heading
        found = yaml.safe_load(EXAMPLES[heading])[part]
        if kind:
            assert (found[0] if isinstance(found, list) else found)["type"] == kind
