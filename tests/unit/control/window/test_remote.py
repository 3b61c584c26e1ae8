from __future__ import annotations

from concurrent.futures import CancelledError
from pathlib import Path

import pytest

from streamer.config import (
    BlurBackgroundConfig,
    ColourBackgroundConfig,
    ComposeConfig,
    FileSourceConfig,
    ImageBackgroundConfig,
    ImagesSourceConfig,
    PreprocessConfig,
    RefineConfig,
    Settings,
)
from streamer.control.window.keys import Action
from streamer.control.window.remote import Remote
from streamer.controls import Applied
from streamer.errors import CommandRefused, ModelError
from tests.unit.control.window.controls import FakeControls


class Desk:
    """A remote with fake controls, and what both said."""

    def __init__(self, **options) -> None:
        self.calls: list[str] = []
        self.said: list[str] = []
        self.controls = FakeControls(self.calls.append, **options)

    def remote(self) -> Remote:
        return Remote(self.controls, Path("shots"), self.said.append)

    def do(self, action: Action) -> str:
        return self.remote().do(action)


def test_backgrounds_begin_after_the_configured_one_and_come_back_to_it():
    desk = Desk()
    image = ImageBackgroundConfig(type="image", path="pictures/beach.jpg")
    desk.controls.settings = Settings(compose=ComposeConfig(background=image, colours="clean"))
    remote = desk.remote()
    said = [remote.do("background").removeprefix("background: ") for _ in range(8)]
    assert said[:3] == ["black", "white", "green"]
    assert said[3:] == ["blur", "pixelate", "dim", "image beach.jpg", "black"]
    assert desk.controls.settings.compose == ComposeConfig(
        background=ColourBackgroundConfig(type="colour", colour="black"), colours="clean"
    )


def test_a_configured_background_that_is_one_of_the_others_comes_once():
    desk = Desk()
    blur = BlurBackgroundConfig(type="blur")
    desk.controls.settings = Settings(compose=ComposeConfig(background=blur))
    remote = desk.remote()
    said = [remote.do("background").removeprefix("background: ") for _ in range(6)]
    assert said == ["black", "white", "green", "pixelate", "dim", "blur"]


def test_the_threshold_goes_in_twentieths_and_stays_within_its_limits():
    desk = Desk()
    remote = desk.remote()
    assert remote.do("threshold_up") == "threshold: 0.55"
    assert desk.controls.settings.refine == RefineConfig(threshold=0.55)
    for _ in range(30):
        remote.do("threshold_up")
    assert desk.controls.settings.refine.threshold == 1.0
    for _ in range(30):
        said = remote.do("threshold_down")
    assert said == "threshold: 0.05"


def test_the_feather_goes_in_pixels_and_keeps_the_rest():
    desk = Desk()
    desk.controls.settings = Settings(refine=RefineConfig(grow_px=3, feather="outward"))
    remote = desk.remote()
    assert remote.do("feather_up") == "feather: 1 px outward"
    assert desk.controls.settings.refine == RefineConfig(
        grow_px=3, feather="outward", feather_px=1.0
    )
    remote.do("feather_down")
    assert remote.do("feather_down") == "feather: 0 px outward"


def test_the_mode_is_the_other_one_and_its_end_is_told():
    desk = Desk()
    assert desk.do("mode") == "matting: tracked: loading"
    assert desk.calls == ["switch tracked"]
    desk.controls.switching.set_result(Applied(1))
    assert desk.said == ["matting: tracked"]
    desk.do("mode")
    desk.controls.switching.set_exception(ModelError("no memory"))
    assert desk.said[-1] == "matting: every_frame: no memory"
    desk.do("mode")
    desk.controls.switching.set_exception(CancelledError())
    assert len(desk.said) == 2


def test_models_are_gone_through_and_round():
    desk = Desk(names=("one", "two", "three"))
    said = [desk.do("model") for _ in range(3)]
    assert said == [f"model: {name}: loading" for name in ("two", "three", "one")]


def test_a_model_that_cannot_be_had_is_passed_over_and_tried_again_after_the_others():
    desk = Desk(names=("one", "two", "three"))
    remote = desk.remote()
    for wanted in ("two", "three", "two"):
        assert remote.do("model") == f"model: {wanted}: loading"
        desk.controls.model = "one"
        desk.controls.switching.set_exception(ModelError("has to see every frame"))
    assert remote.do("model") == "model: three: loading"
    desk.controls.switching.set_result(Applied(1))
    assert remote.do("model") == "model: one: loading"


@pytest.mark.parametrize("names", [(), ("one",)])
def test_where_there_is_no_other_model_that_is_said(names: tuple[str, ...]):
    desk = Desk(names=names)
    assert desk.do("model").startswith("no other model is on this disk")
    assert desk.calls == []


def test_speed_goes_in_steps_to_an_end():
    desk = Desk()
    assert [desk.do("faster") for _ in range(3)] == ["speed: 1.5", "speed: 2", "speed: 3"]
    assert [desk.do("slower") for _ in range(9)][-1] == "speed: 0.1"


def test_what_is_on_goes_off():
    desk = Desk()
    assert [desk.do("record") for _ in range(2)] == ["recording on", "recording off"]
    assert [desk.do("camera") for _ in range(2)] == ["camera: released", "camera: opening"]
    assert desk.calls == ["record True", "record False", "release", "acquire"]


def test_a_picture_is_taken_where_a_sink_waits_for_it():
    desk = Desk()
    assert desk.do("trigger") == "takes the next picture"
    desk.controls.waiting = 0
    assert desk.do("trigger").startswith("no sink waits for it")


def test_settings_are_saved_in_the_folder():
    desk = Desk()
    assert desk.do("save") == "written: shots/stream.yaml"
    assert desk.calls == ["save shots"]


@pytest.mark.parametrize("action", ["faster", "camera", "record", "mode", "model", "save"])
def test_what_is_refused_is_said_and_nothing_changes(action: Action):
    desk = Desk(refuses=CommandRefused("usb 0: has no pace"))
    assert desk.do(action) == "usb 0: has no pace"
    assert not desk.controls.recording
    assert not desk.controls.released


def test_regions_are_looked_at_and_said_as_yaml():
    desk = Desk()
    desk.controls.settings = Settings(preprocess=PreprocessConfig(max_side=640))
    remote = desk.remote()
    regions = [(0.1, 0.2, 0.3, 0.4), (0.5, 0.0, 0.5, 1.0)]
    said = remote.look_at(regions)
    assert said == "preprocess: {roi: [[0.1, 0.2, 0.3, 0.4], [0.5, 0, 0.5, 1]]}"
    assert desk.controls.settings.preprocess == PreprocessConfig(roi=regions, max_side=640)
    assert list(remote.regions) == regions
    assert remote.look_at([]) == "preprocess: {roi: null}"
    assert desk.controls.settings.preprocess == PreprocessConfig(max_side=640)


def test_the_next_camera_is_taken_and_then_the_first_again():
    desk = Desk()
    remote = desk.remote()
    assert [remote.do("next_camera") for _ in range(2)] == ["camera: 2", "camera: 0"]
    assert desk.calls == ["change {'device': 2}", "change {'device': 0}"]


def test_sizes_and_limits_of_a_camera_go_round():
    desk = Desk()
    remote = desk.remote()
    sizes = [remote.do("size") for _ in range(4)]
    assert sizes == ["size: 1920x1080", "size: 1280x720", "size: 640x480", "size: 1920x1080"]
    assert remote.do("limit") == "at most 30 frames per second"
    assert [remote.do("limit") for _ in range(3)][-1] == "no limit of frames"


def test_the_order_of_a_folder_goes_round_and_its_loop_is_switched():
    desk = Desk()
    desk.controls.source = ImagesSourceConfig(type="images", path="shots")
    remote = desk.remote()
    said = [remote.do("order") for _ in range(4)]
    assert said == ["order: reverse", "order: time", "order: random", "order: name"]
    assert [remote.do("loop"), remote.do("loop")] == ["loop: on", "loop: off"]
    assert desk.calls[-2:] == ["change {'loop': True}", "change {'loop': False}"]


def test_what_has_no_order_and_no_end_says_so():
    desk = Desk()
    assert "no folder" in desk.do("order")
    assert "no folder" in desk.do("loop")
    desk.controls.source = FileSourceConfig(type="file", path="clip.mp4")
    assert "no folder" in desk.do("order")
    assert not desk.calls
    assert desk.do("loop") == "loop: on"


@pytest.mark.parametrize("action", ["next_camera", "size", "limit"])
def test_what_is_no_camera_has_none_of_it(action):
    desk = Desk()
    desk.controls.source = FileSourceConfig(type="file", path="clip.mp4")
    assert "no camera" in desk.do(action)
    assert not desk.calls
