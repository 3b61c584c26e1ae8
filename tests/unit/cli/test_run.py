import json
import os
import signal
import socket
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import ClassVar

import pytest
from PIL import Image as Picture

from streamer.cli import driving
from streamer.cli.guessing import guess_source
from streamer.cli.summary import write_report
from streamer.errors import ConfigError, SourceLost, SourceNotFound, StageFailed

REPORT = {
    "version": 1,
    "frames": {"captured": 12, "inferred": 10, "propagated": 0, "empty": 0, "emitted": 10},
    "drops": {"overwritten": 2, "stale": 0, "sink_full": 0, "decode_error": 0},
    "fps": 5.0,
    "wall_s": 2.0,
    "latency_ms": {
        "infer": {"p50": 20.0, "p95": 30.0, "p99": 31.0},
        "compose": {"p50": None, "p95": None, "p99": None},
    },
    "reconnects": 0,
    "model": {
        "name": "isnet",
        "precision": "fp16",
        "providers": ["CPUExecutionProvider"],
        "threads": 2,
        "fallback": "rmbg-1.4: offline",
    },
    "rss_peak_mb": 700.0,
    "sinks": [{"type": "record", "path": "out/a.mp4", "frames": 10}],
    "source": {"name": "usb 0"},
    "error": None,
}


class FakeHost:
    """Stands in for a host of one stream: runs what the test says, reports what it says."""

    ready = False
    captured = 0
    failures: ClassVar = {}
    owns_stdout = False

    def __init__(self, box):
        (self.config,) = box.streams.values()
        self.stopped = False
        self.abandoned = ()
        self.behaviour = lambda pipeline: None
        self.said = dict(REPORT)

    def prepare(self):
        pass

    def run(self, should_stop=None):
        assert should_stop() is False
        self.behaviour(self)
        return self.said

    def request_stop(self):
        self.stopped = True

    def report(self):
        return self.said


@pytest.fixture
def pipelines(monkeypatch):
    made = []
    configure = []

    def make(box, *, progress):
        host = FakeHost(box)
        for change in configure:
            change(host)
        made.append(host)
        return host

    monkeypatch.setattr("streamer.host.Host", make)
    monkeypatch.setattr("streamer.control.window.window_problem", lambda: None)
    made_and_configure = made
    return made_and_configure, configure.append


@pytest.fixture
def configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text("source: {type: usb}\nsinks: [{type: discard}]\n")
    return "c.yaml"


def fail(error):
    def behaviour(pipeline):
        pipeline.said["error"] = str(error)
        raise error

    return lambda pipeline: setattr(pipeline, "behaviour", behaviour)


def test_a_run_ends_with_a_summary_and_a_report(streamer, pipelines, configuration):
    made, _ = pipelines
    result = streamer("run", configuration, "--set", "source.fps=15", "--report", "reports/r.json")
    assert result.exit_code == 0, result.output
    assert made[0].config.source.fps == 15
    assert json.loads(Path("reports/r.json").read_text()) == REPORT
    for words in (
        "10 of 12 captured",
        "2 overwritten",
        "5.00 fps",
        "20.0 ms",
        "30.0 ms",
        "isnet; fp16; CPUExecutionProvider",
        "NOTE",
        "rmbg-1.4: offline",
        "record out/a.mp4",
    ):
        assert words in result.stdout
    assert [path.name for path in Path("reports").iterdir()] == ["r.json"]


def test_a_configuration_comes_through_a_pipe(streamer, pipelines, configuration):
    made, _ = pipelines
    reader, writer = os.pipe()  # as `streamer run <(envsubst < c.yaml)` has it
    os.write(writer, Path(configuration).read_bytes())
    os.close(writer)
    try:
        result = streamer("run", f"/dev/fd/{reader}", "--set", "source.fps=15")
    finally:
        os.close(reader)
    assert result.exit_code == 0, result.output
    assert made[0].config.source.fps == 15


def test_a_report_names_files_whose_names_are_no_text(tmp_path):
    report = {"source": os.fsdecode(b"\xff.png"), "other": "\xb2"}
    write_report(tmp_path / "r.json", report)
    assert json.loads((tmp_path / "r.json").read_bytes()) == report


def test_a_failure_still_leaves_its_report(streamer, pipelines, configuration):
    _, configure = pipelines
    configure(fail(StageFailed("capture", SourceLost("usb 0: unplugged"))))
    result = streamer("run", configuration, "--report", "r.json")
    assert result.exit_code == 3
    assert json.loads(Path("r.json").read_text())["error"] == "capture: usb 0: unplugged"
    assert result.stderr == "error: capture: usb 0: unplugged\n"


def test_the_first_signal_stops_the_run_which_counts_as_done(streamer, pipelines, configuration):
    made, configure = pipelines

    def interrupted(pipeline):
        signal.raise_signal(signal.SIGINT)

    configure(lambda pipeline: setattr(pipeline, "behaviour", interrupted))
    result = streamer("run", configuration)
    assert made[0].stopped
    assert result.exit_code == 0
    assert "10 of 12 captured" in result.stdout


def test_threads_left_behind_do_not_keep_the_process(
    streamer, pipelines, configuration, monkeypatch
):
    _, configure = pipelines
    left = []
    monkeypatch.setattr(driving.failures, "leave", left.append)
    configure(lambda pipeline: setattr(pipeline, "abandoned", ("capture",)))
    configure(fail(StageFailed("capture", SourceLost("stuck"))))
    streamer("run", configuration)
    assert left == [3]


def test_a_report_that_cannot_be_written_is_said_before_the_run(streamer, pipelines, configuration):
    made, _ = pipelines
    Path("file").write_text("")
    result = streamer("run", configuration, "--report", "file/r.json")
    assert result.exit_code == 1
    assert made == []
    assert "file/r.json" in result.stderr


def test_a_report_is_not_written_over_what_the_stream_reads(streamer, pipelines, configuration):
    made, _ = pipelines
    Path("clip.mp4").write_bytes(b"a clip")
    source = "source={type: file, path: clip.mp4}"
    result = streamer("run", configuration, "--set", source, "--report", "./clip.mp4")
    assert result.exit_code == 2
    assert made == []
    assert "--report: clip.mp4 is what the stream reads" in result.stderr
    assert Path("clip.mp4").read_bytes() == b"a clip"


def test_without_a_screen_no_camera_is_waited_for(streamer, pipelines, configuration, monkeypatch):
    made, _ = pipelines
    monkeypatch.setattr("streamer.control.window.window_problem", lambda: "no screen: set DISPLAY")
    result = streamer("run", configuration, "--set", "sinks.0={type: display}")
    assert result.exit_code == 5
    assert (
        result.stderr
        == "error: display: no screen: set DISPLAY; `streamer preview --web` shows a page instead\n"
    )
    assert made == []


def test_key_frames_are_in_the_summary(streamer, pipelines, configuration):
    _, configure = pipelines
    configure(lambda pipeline: pipeline.said.update(matting={"key_frames": 7}))
    assert "7, which the model looked at" in streamer("run", configuration).stdout


def test_a_missing_configuration_exits_with_2(streamer):
    result = streamer("run", "none.yaml")
    assert result.exit_code == 2
    assert result.stderr.startswith("error: none.yaml: no such file")


def test_preview_shows_the_first_camera_by_default(streamer, pipelines):
    made, _ = pipelines
    result = streamer("preview", "--layout", "cutout", "--model", "isnet")
    assert result.exit_code == 0, result.output
    config = made[0].config
    assert (config.source.type, config.source.device) == ("usb", 0)
    assert (config.sinks[0].type, config.sinks[0].layout) == ("display", "cutout")
    assert config.model.name == "isnet"
    assert (config.sinks[1].type, config.sinks[1].layout) == ("record", "cutout")
    assert not config.sinks[1].from_start, "nothing is written before a key asks for it"


@pytest.mark.parametrize("command", ["preview", "relay"])
def test_the_first_start_makes_the_model_fast_unless_it_is_told_not_to(
    streamer, pipelines, made_fast, command
):
    where = ["--serve", "rtsp://127.0.0.1/a"] if command == "relay" else []
    assert streamer(command, "0", *where, "--no-optimize").exit_code == 0
    assert not made_fast
    assert streamer(command, "0", *where).exit_code == 0
    assert [model.name for model in made_fast] == ["auto"]


def test_preview_takes_single_values_as_run_does(streamer, pipelines):
    made, _ = pipelines
    changes = ["compose.background=blur", "sinks.0.layout=grid", "sinks.0.columns=1"]
    result = streamer("preview", *(part for change in changes for part in ("--set", change)))
    assert result.exit_code == 0, result.output
    config = made[0].config
    assert config.compose.background.type == "blur"
    assert [(sink.layout, sink.columns) for sink in config.sinks] == [("grid", 1)] * 2


def test_preview_records_an_alpha_where_it_shows_one(streamer, pipelines):
    made, _ = pipelines
    rgba = ("--set", "compose.cutout=rgba", "--layout", "cutout")
    result = streamer("preview", *rgba)
    assert result.exit_code == 0, result.output
    assert made[0].config.sinks[1].path.endswith(".mov")


def test_preview_keeps_a_recording_of_ones_own(streamer, pipelines):
    made, _ = pipelines
    result = streamer("preview", "--set", "sinks.1={type: record, path: mine.mkv}")
    assert result.exit_code == 0, result.output
    assert [sink.type for sink in made[0].config.sinks] == ["display", "record"]


def test_preview_refuses_a_layout_that_is_none(streamer):
    result = streamer("preview", "--layout", "round")
    assert result.exit_code == 2
    assert "sinks.0.layout: 'round' is not one of" in result.stderr


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png", "a.avif"])
def test_an_animation_is_played_and_a_still_of_that_suffix_is_a_picture(tmp_path, name):
    first, second = (Picture.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    first.save(tmp_path / name)
    assert guess_source(str(tmp_path / name))["type"] == "images"
    first.save(tmp_path / name, save_all=True, append_images=[second], duration=100)
    guessed = guess_source(str(tmp_path / name))
    assert (guessed["type"], guessed["loop"]) == ("file", True)


def test_preview_guesses_what_kind_of_source_is_meant(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("clip.mp4").touch()
    Path("folder").mkdir()
    assert guess_source("2") == {"type": "usb", "device": 2}
    assert guess_source("/dev/video1")["type"] == "usb"
    assert guess_source("BRIO") == {"type": "usb", "device": "BRIO"}
    assert guess_source("rtsp://cam/1")["type"] == "rtsp"
    assert guess_source("clip.mp4") == {"type": "file", "path": "clip.mp4", "realtime": True}
    assert guess_source("folder")["type"] == "images"
    assert guess_source("a/*.png")["type"] == "images"
    with pytest.raises(SourceNotFound):
        guess_source("none.mp4")
    assert guess_source("http://cam/1") == {"type": "rtsp", "url": "http://cam/1"}
    for url in ("srt://h:1?passphrase=s3cret", "rtsp://me:s3/cret@h/1", "rtmp://me:s3 cret@h/1"):
        with pytest.raises(ConfigError, match="the source's URL: ") as refused:
            guess_source(url)
        assert "cret" not in str(refused.value)
    for text in ("rtsp:/me:s3cret@h/1", "rtsp//me:s3cret@h/1.png", "me:s3cret@h", "a:s3cret@h/1.y"):
        with pytest.raises(ConfigError, match=r"no URL: a stream's begins with") as refused:
            guess_source(text)
        assert "cret" not in str(refused.value)


@pytest.mark.parametrize("how", ["run", "preview", "relay"])
def test_a_time_ends_it_as_ctrl_c_would(streamer, pipelines, configuration, how):
    made, configure = pipelines

    def runs_until_it_is_told(pipeline, should_stop):
        while not should_stop():
            pass
        return pipeline.said

    def change(pipeline):
        pipeline.ready = True
        pipeline.statistics = lambda: SimpleNamespace(frames={"captured": 1})
        pipeline.run = partial(runs_until_it_is_told, pipeline)

    configure(change)
    clip = Path("clip.mp4")
    clip.touch()
    arguments = {
        "run": ["run", configuration],
        "preview": ["preview", clip],
        "relay": ["relay", clip, "--serve", "rtsp://127.0.0.1:8554/a"],
    }[how]
    result = streamer(*arguments, "--for", "0.05")
    assert result.exit_code == 0, result.stderr
    assert "10 of 12 captured" in result.stdout
    assert len(made) == 1


def test_a_time_that_is_none_is_a_mistake_of_usage(streamer, configuration):
    result = streamer("run", configuration, "--for", "soon")
    assert result.exit_code == 2
    assert "'soon' is not a time such as 60, 1.5, 90s, 5m or 1h30m" in result.stderr


SECRETS = [
    "{scheme}://admin:my s3cret@{host}/x",
    "{scheme}://{host}/x?password=my s3cret&x=1",
    "{scheme}://{host}/x?x=1&pwd=my s3cret",
    "{scheme}://admin:my%20s3cret@{host}/x",
]


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@pytest.mark.parametrize("url", SECRETS)
def test_no_part_of_a_password_is_in_log_error_report_or_traceback(
    streamer, make_model, tmp_path, caplog, scheme, url
):
    model = make_model("one.onnx", size=32)
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"
    config = tmp_path / "c.yaml"
    config.write_text(
        f"source: {{type: rtsp, url: '{url.format(scheme=scheme, host=host)}',\n"
        "         reconnect: {max_attempts: 2, first_s: 0.1}}\n"
        f"model: {{name: '{model}', providers: [cpu]}}\nsinks: [{{type: discard}}]\n"
    )
    result = streamer("--debug", "run", config, "--report", tmp_path / "r.json")
    assert result.exit_code == 3, result.output
    assert "connection refused" in result.output
    said = result.output + caplog.text + (tmp_path / "r.json").read_text()
    assert host in said
    assert "s3cret" not in said
    assert "admin" not in said
