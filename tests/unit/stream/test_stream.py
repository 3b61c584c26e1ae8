"""A pipeline from a configuration, steered while it runs."""

from __future__ import annotations

import copy
import inspect
import pickle
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from streamer import Pipeline
from streamer.config import (
    ColourBackgroundConfig,
    load_config,
    parse_config,
)
from streamer.control.window import DisplaySink
from streamer.controls import Applied, Controls
from streamer.engine import Engine, Options
from streamer.errors import CommandRefused, ModelError, StageFailed
from streamer.events import ChangeRefused
from streamer.matting import EveryFrame
from streamer.protocols import ControlledSink
from streamer.stream import bounds as bounds_module
from streamer.stream import changes as changes_module
from tests.conftest import MakeModel
from tests.fakes import FakeMatting, FakeSegmenter, FakeSink, FakeSource
from tests.unit.sources.clips import encode


@pytest.fixture
def configured(make_model: MakeModel, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """The settings of a small generated stream; *changes* replace what is there."""
    model = make_model("one.onnx", size=32)

    def settings(**changes: Any) -> dict[str, Any]:
        source = {"type": "synthetic", "width": 64, "height": 48, "realtime": True, "fps": 60}
        base = {
            "name": "hall",
            "source": source,
            "model": {"name": str(model), "providers": ["cpu"], "threads": 1},
            "sinks": [{"type": "record", "path": str(tmp_path / "clip.mp4"), "from_start": False}],
        }
        return base | changes

    return settings


class Running:
    """A pipeline that runs in the background until the block ends."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.pipeline = Pipeline.from_config(parse_config(settings))
        self._came = threading.Event()

    def __enter__(self) -> Pipeline:
        self.pipeline.start()
        self.wait_for(lambda: self.pipeline.statistics().frames["emitted"] > 2)
        return self.pipeline

    def __exit__(self, *_: object) -> None:
        self.pipeline.stop()
        self.pipeline.join()

    def wait_for(self, what: Callable[[], bool]) -> None:
        for _ in range(1000):
            if what():
                return
            self._came.wait(0.01)
        raise AssertionError("it never came")


def test_a_pipeline_is_what_a_window_steers():
    def steered(controls: Controls) -> Controls:
        return controls

    assert steered(Pipeline(FakeSource(), FakeMatting(), [FakeSink()])).speed == 1.0


def test_the_mode_and_the_model_change_while_it_runs(configured, make_model: MakeModel):
    other = make_model("two.onnx", size=32, gain=0.5)
    run = Running(configured())
    first = run.pipeline.model
    with run as pipeline:
        assert (pipeline.mode, Path(first).name) == ("every_frame", "one.onnx")
        pipeline.switch(mode="tracked").result(20)
        assert pipeline.mode == "tracked"
        assert pipeline.report()["matting"]["mode"] == "tracked"
        pipeline.switch(model=str(other)).result(20)
        assert pipeline.mode == "tracked"
        assert pipeline.report()["model"]["name"] == "two.onnx"
        assert first in pipeline.models(), "one can go back"
        pipeline.switch(model=first, mode="every_frame").result(20)
        assert pipeline.config.model.name == first
    assert pipeline.report()["error"] is None


def test_who_waits_for_a_switch_finds_the_configuration_changed(
    configured, monkeypatch: pytest.MonkeyPatch
):
    pipeline = Pipeline.from_config(parse_config(configured(matting={"mode": "every_frame"})))
    inner = Future[None]()
    seen: list[tuple[bool, str]] = []
    inner.add_done_callback(lambda _: seen.append((switched.done(), pipeline.mode)))
    monkeypatch.setattr(pipeline._changes, "use", lambda load: inner)
    switched = pipeline.switch(mode="tracked")
    inner.set_result(None)
    assert seen == [(False, "every_frame")]
    assert switched.result(0) == Applied(1)
    assert pipeline.mode == "tracked"


def test_what_is_changed_while_another_model_loads_stays_changed(
    configured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    cv2.imwrite(str(tmp_path / "0.png"), np.zeros((32, 32, 3), np.uint8))
    source = {"type": "images", "path": str(tmp_path / "*.png"), "loop": True}
    run = Running(configured(source=source, sinks=[{"type": "discard"}]))
    changed, load = threading.Event(), changes_module.load_matting

    def load_later(*args: Any, **options: Any) -> Any:
        changed.wait(20)
        return load(*args, **options)

    monkeypatch.setattr(changes_module, "load_matting", load_later)
    with run as pipeline:
        switched = pipeline.switch(mode="tracked")
        pipeline.change_source(order="reverse")
        changed.set()
        switched.result(20)
        assert (pipeline.mode, pipeline.source.order) == ("tracked", "reverse")


def test_there_is_no_other_mode(configured):
    pipeline = Pipeline.from_config(parse_config(configured()))
    told: list[object] = []
    pipeline.events.subscribe(lambda _, event: told.append(event))
    with pytest.raises(CommandRefused, match="'tracking' is not one of every_frame, tracked"):
        pipeline.switch(model="isnet", mode="tracking")
    (refused,) = told
    assert isinstance(refused, ChangeRefused)
    assert refused.key == "matting.mode"


def test_a_model_that_cannot_be_had_changes_nothing(configured):
    run = Running(configured())
    with run as pipeline:
        before = pipeline.config
        with pytest.raises(ModelError, match=r"none\.onnx: no such file"):
            pipeline.switch(model="none.onnx").result(20)
        assert pipeline.config == before
        emitted = pipeline.statistics().frames["emitted"]
        run.wait_for(lambda: pipeline.statistics().frames["emitted"] > emitted + 3)


def test_what_was_changed_is_saved_and_loads_again(configured, tmp_path: Path):
    pipeline = Pipeline.from_config(parse_config(configured()))
    green = ColourBackgroundConfig(type="colour", colour="green")
    changes = {
        "compose.background": green,
        "refine.threshold": 0.55,
        "refine.feather_px": 2.0,
        "preprocess.roi": [(0.1, 0.1, 0.5, 0.5)],
    }
    assert pipeline.apply(changes) == Applied(1)
    loaded = load_config(pipeline.save(tmp_path / "shots"))
    assert loaded == pipeline.config
    assert loaded.compose.background == green
    assert (loaded.refine.threshold, loaded.refine.feather_px) == (0.55, 2.0)
    assert loaded.preprocess.regions == ((0.1, 0.1, 0.5, 0.5),)


def test_a_crop_is_saved_as_it_was(configured, tmp_path: Path):
    cropped = {"roi": [0.25, 0.25, 0.5, 0.5], "output": "cropped"}
    pipeline = Pipeline.from_config(parse_config(configured(preprocess=cropped)))
    assert pipeline.crops
    loaded = load_config(pipeline.save(tmp_path))
    assert loaded.preprocess.output == "cropped"
    assert loaded.preprocess.regions == ((0.25, 0.25, 0.5, 0.5),)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("clip.mp4", ["clip-2.mp4", "clip.mp4"]),
        ("clip{start:%%}.mp4", ["clip%-2.mp4", "clip%.mp4"]),
    ],
)
def test_recordings_begin_when_they_are_wanted_each_a_file(
    configured, tmp_path: Path, path: str, expected: list[str]
):
    record = {"type": "record", "path": str(tmp_path / path), "overwrite": True}
    run = Running(configured(sinks=[record | {"from_start": False}]))
    with run as pipeline:
        assert not pipeline.recording
        for number in (1, 2):
            pipeline.record(on=True)
            frames = 5 * number
            run.wait_for(lambda n=frames: pipeline.report()["sinks"][0]["frames"] >= n)
            pipeline.record(on=False)
            run.wait_for(lambda: not pipeline.report()["sinks"][0]["recording"])
    names = sorted(path.name for path in tmp_path.glob("*.mp4"))
    assert names == expected, "no time in the path, or one that two of them share"
    for name in names:
        with av.open(str(tmp_path / name)) as film:
            times = [frame.time for frame in film.decode(video=0)]
        assert times[0] == 0
        assert len(times) >= 4


def test_no_later_recording_is_written_over_what_the_stream_reads(configured, tmp_path: Path):
    clip = encode(tmp_path / "clip-2.mp4", frames=5, size=(64, 48))
    before = clip.read_bytes()
    source = {"type": "file", "path": str(clip), "loop": True}
    record = {"type": "record", "path": str(tmp_path / "clip.mp4"), "overwrite": True}
    run = Running(configured(source=source, sinks=[record]))
    with run as pipeline:
        pipeline.record(on=False)
        pipeline.record(on=True)
        run.wait_for(lambda: not pipeline.recording)
    assert clip.read_bytes() == before


def test_a_camera_is_opened_again_with_what_was_changed(configured):
    pipeline = Pipeline.from_config(parse_config(configured(source={"type": "usb"})))
    pipeline.change_source(width=640, height=480, max_fps=15)
    assert (pipeline.source.width, pipeline.source.height) == (640, 480)
    assert not pipeline.released, "it is opened again at once"
    for wrong, said in [
        ({"width": 0}, "^source.width: 0 is not a"),
        ({"widht": 640}, "^source: unknown key 'widht'"),
        ({"type": "file", "path": "a.mp4"}, r"^source\.type: is fixed when the source starts$"),
    ]:
        with pytest.raises(CommandRefused, match=said):
            pipeline.change_source(**wrong)
    assert pipeline.source.width == 640


def test_a_stream_shows_what_was_changed_of_its_address(configured):
    source = {"type": "rtsp", "url": "rtsp://127.0.0.1:9/one", "username": "me", "password": "x"}
    pipeline = Pipeline.from_config(parse_config(configured(source=source)))
    pipeline.change_source(url="rtsp://127.0.0.1:9/two")
    assert pipeline.source.url.get_secret_value().endswith("/two")
    assert pipeline.source.password.get_secret_value() == "x"
    with pytest.raises(CommandRefused, match="source") as refused:
        pipeline.change_source(url="rtsp://me:s3cret@127.0.0.1/three")
    assert "s3cret" not in str(refused.value)


def test_what_is_no_camera_cannot_be_opened_again(configured):
    pipeline = Pipeline.from_config(parse_config(configured()))
    with pytest.raises(CommandRefused, match=r"^source\.fps: is fixed when the source starts$"):
        pipeline.change_source(fps=15)


@pytest.mark.parametrize("preprocess", [{}, {"roi": [[0, 0, 16, 16]], "output": "cropped"}])
def test_a_folder_changes_its_order_and_ends_its_loop_while_it_runs(
    configured, tmp_path: Path, preprocess: dict[str, Any]
):
    (tmp_path / "in").mkdir()
    for number in range(10):
        cv2.imwrite(str(tmp_path / f"in/{number}.png"), np.full((32, 32, 3), 20 * number, np.uint8))
    source = {"type": "images", "path": str(tmp_path / "in"), "loop": True}
    sink = {"type": "images", "path": str(tmp_path / "out"), "layout": "source"}
    run = Running(configured(source=source, sinks=[sink], preprocess=preprocess))
    with run as pipeline:
        pipeline.change_source(order="reverse", loop=False)
        assert (pipeline.source.order, pipeline.source.loop) == ("reverse", False)
        with pytest.raises(
            CommandRefused, match=r"source\.fps: is fixed when .*; loop, order, seed can be"
        ):
            pipeline.change_source(fps=5, loop=True)
        run.wait_for(lambda: pipeline.statistics().source.state == "ended")
    read = [cv2.imread(str(path))[0, 0, 0] // 20 for path in sorted((tmp_path / "out").iterdir())]
    assert read[:-10] == list(range(10)) * (len(read) // 10 - 1)
    turned = [[*range(turn), *range(9, turn - 1, -1)] for turn in range(10)]
    assert read[-10:] in turned


def test_a_file_that_is_read_again_and_again_ends_when_that_is_wanted(configured, tmp_path: Path):
    clip = encode(tmp_path / "clip.mp4", frames=5, size=(64, 48))
    source = {"type": "file", "path": str(clip), "loop": True}
    run = Running(configured(source=source, sinks=[{"type": "discard"}]))
    with run as pipeline:
        run.wait_for(lambda: pipeline.statistics().frames["emitted"] > 5)
        pipeline.change_source(loop=False)
        run.wait_for(lambda: pipeline.statistics().source.state == "ended")
    frames = pipeline.report()["frames"]["emitted"]
    assert frames > 5
    assert frames % 5 == 0


def test_nothing_outside_of_a_region_is_shown_when_all_is_inverted(configured, tmp_path: Path):
    sinks = [{"type": "images", "path": str(tmp_path / "out"), "layout": "alpha"}]
    source = {"type": "synthetic", "width": 64, "height": 48, "frames": 3}
    settings = configured(
        sinks=sinks,
        source=source,
        preprocess={"roi": [[8, 4, 20, 30], [40, 4, 16, 30]]},
        refine={"invert": True, "gain": 0.01, "grow_px": 8},
    )
    Pipeline.from_config(parse_config(settings)).run()
    for path in sorted((tmp_path / "out").iterdir()):
        alpha = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
        inside = np.zeros_like(alpha)
        inside[4:34, 8:28] = inside[4:34, 40:56] = 255
        assert (alpha[inside == 0] == 0).all()
        assert (alpha[inside == 255] > 200).all()


def test_a_pipeline_of_parts_has_no_configuration():
    pipeline = Pipeline(FakeSource(), FakeMatting(), [FakeSink()])
    with pytest.raises(CommandRefused, match="made from parts"):
        pipeline.switch(mode="tracked")


def test_a_stream_of_ones_own_parts_is_steered_by_its_window() -> None:
    class Steered(FakeSink):
        def control(self, controls: Controls) -> None:
            self.controls = controls

    sink = Steered()
    camera = FakeSource(None, live=True, period_s=0.001)
    with Pipeline(camera, EveryFrame(FakeSegmenter()), [sink], fresh=FakeSource) as stream:
        stream.start()
        sink.controls.pause()
        assert stream.paused
        sink.controls.resume()
        sink.controls.release()
        assert sink.controls.released
        assert sink.controls.model == FakeSegmenter().info.name
        assert sink.controls.mode == "every_frame"
        assert sink.controls.pace == ""
        with pytest.raises(CommandRefused, match="made from parts"):
            sink.controls.save(Path())


def test_a_matting_of_ones_own_need_not_say_anything_of_itself() -> None:
    class Silent(FakeMatting):
        def statistics(self) -> dict[str, Any]:
            return {"pace": "slow"}

    stream = Pipeline(FakeSource(), Silent(), [FakeSink()])
    assert stream.pace == ""
    with pytest.raises(CommandRefused, match="has no mode"):
        _ = stream.mode


def test_the_window_is_a_sink_that_steers() -> None:
    assert isinstance(DisplaySink([]), ControlledSink)


def test_a_stream_is_not_copied() -> None:
    stream = Pipeline(FakeSource(), FakeMatting(), [FakeSink()])
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="cannot be copied or pickled"):
            copied(stream)


def test_a_stream_takes_every_option_of_its_engine() -> None:
    options = inspect.signature(Engine).parameters.values()
    named = {one.name for one in options if one.kind is one.KEYWORD_ONLY}
    assert named == {*Options.__annotations__, "take_settings"}, "those a stream has itself"


def test_one_stream_that_is_changed_does_not_hold_up_another(configured, monkeypatch) -> None:
    first, other = (Pipeline.from_config(parse_config(configured())) for _ in range(2))
    asked, may_go = threading.Event(), threading.Event()

    def revise(config, changes):
        asked.set()
        assert may_go.wait(10)
        return config

    monkeypatch.setattr(bounds_module, "revise", revise)
    with first, other:
        changing = threading.Thread(target=first.change_source)
        changing.start()
        assert asked.wait(10)
        monkeypatch.setattr(bounds_module, "revise", lambda config, changes: config)
        other.change_source()
        assert changing.is_alive(), "the first is not done yet"
        may_go.set()
        changing.join()


def _named_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def served(port: int, path: str, login: str = "") -> list[dict[str, Any]]:
    url = f"rtsp://{login}127.0.0.1:{port}/{path}"
    return [{"type": "rtsp", "serve": url, "layout": "cutout", "preset": "ultrafast"}]


def seen_at(port: int, path: str) -> tuple[int, int]:
    """The size of the first picture that a viewer gets there."""
    with av.open(f"rtsp://127.0.0.1:{port}/{path}", timeout=10) as viewer:
        frame = next(viewer.decode(video=0))
        return frame.width, frame.height


def test_two_pipelines_of_one_process_serve_at_one_port(configured):
    port = _named_port()
    larger = {"type": "synthetic", "width": 96, "height": 64, "realtime": True, "fps": 30}
    one, other = (
        Running(configured(sinks=served(port, "one"))),
        Running(configured(sinks=served(port, "other"), source=larger)),
    )
    with one:
        with other:
            assert seen_at(port, "one") == (64, 48)
            assert seen_at(port, "other") == (96, 64)
        assert seen_at(port, "one") == (64, 48)
    # The last that left has freed the port.
    with Running(configured(sinks=served(port, "other"))):
        assert seen_at(port, "other") == (64, 48)


@pytest.mark.parametrize(
    ("path", "login", "said"),
    [
        ("one", "", "/one: another stream has this path: choose another"),
        ("two", "me:s3cret@", "two streams share it with different users or certificates"),
    ],
)
def test_what_two_pipelines_cannot_share_is_one_line(configured, path, login, said):
    port = _named_port()
    with Running(configured(sinks=served(port, "one"))):
        second = Pipeline.from_config(parse_config(configured(sinks=served(port, path, login))))
        with pytest.raises(StageFailed) as refused:
            second.run()
        assert refused.value.exit_code == 5
        assert said in str(refused.value)
        assert "s3cret" not in str(refused.value)
        assert seen_at(port, "one") == (64, 48)
