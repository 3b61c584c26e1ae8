import io
import json
import logging
import sys
import threading
import weakref
from datetime import UTC, datetime

import pytest

from streamer import events
from streamer.cli import failures, logs
from streamer.errors import SourceError
from streamer.events import SourceChanged
from tests.fakes import FakeClock

in_json = pytest.mark.parametrize("log", [{"log_format": logs.LogFormat.json}], indirect=True)
in_both_formats = pytest.mark.parametrize(
    "log", [{"log_format": one} for one in logs.LogFormat], indirect=True, ids=list(logs.LogFormat)
)


@pytest.fixture
def clock():
    return FakeClock()


@pytest.fixture
def log(request, clock):
    wanted = {"verbose": False, "debug": False, **getattr(request, "param", {})}
    handler = logs.set_up(**wanted, clock=clock)
    yield logging.getLogger("streamer.anything")
    logs.tear_down(handler)


@pytest.fixture
def lines(capsys):
    """Calls give the lines on standard error since the last call."""
    return lambda: capsys.readouterr().err.splitlines()


@pytest.fixture
def objects(lines):
    """Calls give the objects on standard error since the last call, one a line."""
    return lambda: [json.loads(line) for line in lines()]


def in_thread(name, work, *args, **named):
    thread = threading.Thread(target=work, args=args, kwargs=named, name=name)
    thread.start()
    thread.join()


def test_only_warnings_are_shown(log, capsys):
    log.info("quiet")
    log.warning("loud")
    assert capsys.readouterr().err == "loud\n"


@pytest.mark.parametrize("log", [{"verbose": True}], indirect=True)
def test_verbose_shows_what_happens(log, capsys):
    log.debug("quiet")
    log.info("told")
    assert capsys.readouterr().err == "told\n"


def test_what_answers_a_key_of_the_window_is_always_said(log, capsys):
    logging.getLogger("streamer.control.window.display").info("snapshot: out/a.png")
    assert capsys.readouterr().err == "snapshot: out/a.png\n"


def test_no_credential_is_logged_not_even_in_a_traceback(log, capsys):
    try:
        raise RuntimeError("rtsp://me:secret@cam/1")
    except RuntimeError:
        log.exception("reading %s", "rtsp://me:secret@cam/1")
    said = capsys.readouterr().err
    assert "secret" not in said
    assert "reading rtsp://***@cam/1" in said
    assert "RuntimeError: rtsp://***@cam/1" in said


@in_json
def test_json_says_when_how_bad_who_and_what(log, objects):
    args = ("disk", 97)
    record = logging.LogRecord(log.name, logging.WARNING, "", 0, "%s is %d %% full", args, None)
    record.created = datetime(2025, 3, 1, 9, 30, 5, 123_000, UTC).timestamp()
    log.handle(record)
    (said,) = objects()
    assert said == {
        "time": "2025-03-01T09:30:05.123Z",
        "level": "warning",
        "logger": "streamer.anything",
        "message": "disk is 97 % full",
    }


@in_json
@pytest.mark.parametrize(
    ("thread", "stream", "stage"),
    [
        ("streamer-front-capture", "front", "capture"),
        ("streamer-front-capture-12", "front", "capture-12"),
        ("streamer-front-matting", "front", "matting"),
        ("streamer-front-model", "front", "model"),
        ("streamer-front-switching", "front", "switching"),
        ("streamer-front-starting", "front", "starting"),
        ("streamer-front-changing", "front", "changing"),
        ("streamer-front-publisher", "front", "publisher"),
        ("streamer-front-sinks[0] virtual_camera", "front", "sinks[0] virtual_camera"),
        ("streamer-front-sinks[11] two words", "front", "sinks[11] two words"),
        ("streamer-front-door.2_b-capture-1", "front-door.2_b", "capture-1"),
        ("streamer-a-capture-matting", "a-capture", "matting"),
        ("streamer-capture-capture-1", "capture", "capture-1"),
        ("streamer-capture-1", None, "capture-1"),
        ("streamer-loading", None, "loading"),
        ("streamer-pictures_3", None, "pictures_3"),
        ("streamer-rtsp-server", None, None),
        ("MainThread", None, None),
        ("Thread-1 (capture)", None, None),
    ],
)
def test_json_tells_stream_and_stage_by_the_thread(log, objects, thread, stream, stage):
    in_thread(thread, log.warning, "full")
    (said,) = objects()
    assert (said.get("stream"), said.get("stage")) == (stream, stage)
    assert None not in said.values()


@in_json
@pytest.mark.parametrize(
    ("told", "stream", "stage"),
    [
        ({"stream": "back", "stage": "sinks[0] record"}, "back", "sinks[0] record"),
        ({"stage": "reading"}, "front", "reading"),
        ({"stream": "front"}, "front", "capture"),
        ({"stream": "back"}, "back", None),
    ],
)
def test_the_record_knows_better_than_its_thread(log, objects, told, stream, stage):
    in_thread("streamer-front-capture", log.warning, "full", extra=told)
    (said,) = objects()
    assert (said.get("stream"), said.get("stage")) == (stream, stage)


@in_json
def test_json_tells_the_stream_of_an_event_in_any_thread(log, objects):
    events.log("front", SourceChanged("rtsp://cam", "stalled", "no frame"))
    (said,) = objects()
    assert (said["stream"], said["message"]) == ("front", "stalled: no frame")


@in_json
def test_no_field_of_json_has_a_credential(log, lines):
    url = "rtsp://me:secret@cam/1"
    try:
        raise RuntimeError(f"{url} and\n{url}")
    except RuntimeError:
        log.exception("reading %s", url, extra={"stream": url, "stage": url})
    (line,) = lines()
    assert "secret" not in line
    said = json.loads(line)
    assert said["message"] == "reading rtsp://***@cam/1"
    assert said["exception"].startswith("Traceback")
    assert "RuntimeError: rtsp://***@cam/1" in said["exception"]


@in_json
def test_a_message_with_line_breaks_is_one_line_of_json(log, objects):
    log.warning("one\ntwo\r\n\u2028three\x85four")
    (said,) = objects()
    assert said["message"] == "one\ntwo\r\n\u2028three\x85four"


class Untold:
    def __str__(self):
        raise ValueError("nothing to say")


@pytest.mark.parametrize("log_format", logs.LogFormat)
@pytest.mark.parametrize(
    ("message", "args", "said"),
    [
        ("got %s", (object,), "got <class 'object'>"),
        ("got %d frames", ("many",), "got %d frames (not filled in: TypeError)"),
        ("got %s", (Untold(),), "got %s (not filled in: ValueError)"),
        (Untold(), (), "Untold (not filled in: ValueError)"),
    ],
)
def test_arguments_that_do_not_fit_lose_no_message(log_format, lines, message, args, said):
    handler = logs.set_up(verbose=False, debug=False, log_format=log_format)
    # Straight to our handler: those of the tests would raise.
    handler.handle(logging.LogRecord("streamer", logging.WARNING, "", 0, message, args, None))
    logs.tear_down(handler)
    (line,) = lines()
    assert (json.loads(line)["message"] if line.startswith("{") else line) == said


@in_both_formats
def test_a_file_name_that_is_no_text_is_logged(log, monkeypatch):
    strict = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="strict")
    monkeypatch.setattr(sys, "stderr", strict)
    log.warning("reading %s", b"caf\xe9.mp4".decode("utf-8", "surrogateescape"))
    strict.flush()
    line = strict.buffer.getvalue().decode().rstrip("\n")
    said = json.loads(line)["message"] if line.startswith("{") else line
    assert said == r"reading caf\udce9.mp4"


@in_json
def test_json_is_written_whole_where_the_terminal_knows_ascii_only(log, monkeypatch):
    narrow = io.TextIOWrapper(io.BytesIO(), "ascii", errors="backslashreplace")
    monkeypatch.setattr(sys, "stderr", narrow)
    log.warning("Küche: 満")
    narrow.flush()
    assert json.loads(narrow.buffer.getvalue())["message"] == "Küche: 満"


def test_a_line_of_text_names_its_stream_where_there_are_several(log, lines):
    logs.name_streams()
    in_thread("streamer-front-capture", log.warning, "stalled")
    log.warning("full", extra={"stream": "back"})
    log.warning("out of memory")
    assert lines() == ["front: stalled", "back: full", "out of memory"]


def test_a_line_of_text_names_its_stream_once(log, lines):
    logs.name_streams()
    log.warning("front: is down", extra={"stream": "front"})
    log.warning("front-door: is down", extra={"stream": "front"})
    assert lines() == ["front: is down", "front: front-door: is down"]


def test_a_stream_that_is_alone_is_not_named(log, lines):
    in_thread("streamer-front-capture", log.warning, "stalled")
    assert lines() == ["stalled"]


@in_json
def test_json_names_the_stream_in_its_own_field_only(log, objects):
    logs.name_streams()
    in_thread("streamer-front-capture", log.warning, "stalled")
    assert objects()[0]["message"] == "stalled"


def test_the_same_message_is_withheld_after_five_times_and_counted(log, lines, clock):
    for _ in range(12):
        log.warning("%s: stalled", "cam")
    assert lines() == ["cam: stalled"] * 5
    clock.pass_s(59.9)
    log.warning("cam: stalled")
    assert lines() == []
    clock.pass_s(0.1)
    log.warning("cam: stalled")
    assert lines() == ["cam: stalled (8 more like this in 60 s)"]


def test_after_a_count_five_are_written_again(log, lines, clock):
    for _ in range(6):
        log.warning("stalled")
    clock.pass_s(60)
    lines()
    for _ in range(6):
        log.warning("stalled")
    assert lines() == ["stalled (1 more like this in 60 s)"] + ["stalled"] * 4


def test_another_message_after_the_window_brings_the_count(log, lines, clock):
    for _ in range(7):
        log.warning("stalled")
    lines()
    log.warning("full")
    assert lines() == ["full"]
    clock.pass_s(60)
    log.warning("going on")
    assert lines() == ["stalled (2 more like this in 60 s)", "going on"]
    log.warning("going on")
    assert lines() == ["going on"]


def test_a_message_that_is_withheld_brings_the_count_of_another(log, lines, clock):
    for text, wait_s in (("stalled", 30), ("full", 30)):
        for _ in range(7):
            log.warning(text)
        clock.pass_s(wait_s)
    lines()
    log.warning("full")
    assert lines() == ["stalled (2 more like this in 60 s)"]


def test_a_message_that_comes_again_brings_the_counts_of_others(log, lines, clock):
    for text in ("stalled", "full"):
        for _ in range(7):
            log.warning(text)
    lines()
    clock.pass_s(60)
    log.warning("stalled")
    counts = ["full (2 more like this in 60 s)", "stalled (2 more like this in 60 s)"]
    assert lines() == counts


@in_json
def test_the_count_tells_whom_the_record_was_about(log, objects, clock):
    for _ in range(7):
        log.warning("stalled", extra={"stream": "back", "stage": "reading"})
    objects()
    clock.pass_s(60)
    log.warning("going on")
    counted = objects()[0]
    assert (counted["stream"], counted["stage"], counted["repeated"]) == ("back", "reading", 2)


@in_json
def test_json_has_the_count_as_a_number(log, objects, clock):
    for _ in range(7):
        in_thread("streamer-front-capture", log.warning, "stalled")
    assert all("repeated" not in said for said in objects())
    clock.pass_s(60)
    log.warning("going on")
    counted, other = objects()
    assert "repeated" not in other
    del counted["time"]
    assert counted == {
        "level": "warning",
        "stream": "front",
        "stage": "capture",
        "logger": "streamer.anything",
        "message": "stalled",
        "repeated": 2,
    }


def test_the_count_names_the_stream_too(log, lines, clock):
    logs.name_streams()
    for _ in range(7):
        in_thread("streamer-front-capture", log.warning, "stalled")
    lines()
    clock.pass_s(60)
    log.warning("going on")
    assert lines() == ["front: stalled (2 more like this in 60 s)", "going on"]


def test_the_count_stands_before_a_traceback(log, lines, clock):
    def fail():
        try:
            raise SourceError("gone")
        except SourceError:
            log.exception("stalled")

    for _ in range(7):
        fail()
    lines()
    clock.pass_s(60)
    fail()
    first, second, *_ = lines()
    assert first == "stalled (2 more like this in 60 s)"
    assert second.startswith("Traceback")


@pytest.mark.parametrize(
    ("logger", "level", "text", "stream"),
    [
        ("streamer.anything", logging.WARNING, "stalled: cam 2", "front"),
        ("streamer.anything", logging.ERROR, "stalled: cam 1", "front"),
        ("streamer.anything", logging.WARNING, "stalled: cam 1", "back"),
        ("streamer.other", logging.WARNING, "stalled: cam 1", "front"),
    ],
    ids=["text", "level", "stream", "logger"],
)
def test_a_message_that_differs_in_one_thing_is_not_withheld(
    log, lines, logger, level, text, stream
):
    for _ in range(9):
        log.warning("stalled: %s", "cam 1", extra={"stream": "front"})
    assert len(lines()) == 5
    logging.getLogger(logger).log(level, text, extra={"stream": stream})
    assert lines() == [text]


@pytest.mark.parametrize("other", [SourceError("full"), OSError("gone"), None], ids=repr)
def test_a_message_with_another_exception_is_not_withheld(log, lines, other):
    for _ in range(9):
        log.warning("stalled", exc_info=SourceError("gone"))
    assert lines().count("stalled") == 5
    log.warning("stalled", exc_info=other)
    assert lines()[0] == "stalled"
    log.warning("stalled", exc_info=SourceError("gone"))
    assert lines() == []


class Mute(Exception):
    def __str__(self):
        raise ValueError("nothing to say")


def test_an_exception_that_cannot_tell_is_withheld_too(log, lines):
    for _ in range(9):
        log.warning("stalled", exc_info=Mute())
    assert lines().count("stalled") == 5


@in_both_formats
def test_answers_to_keys_are_never_withheld(log, lines):
    for _ in range(20):
        logging.getLogger("streamer.control.window.display").info("snapshot: out/a.png")
    assert len(lines()) == 20


@pytest.mark.parametrize(
    "log", [{"debug": True, "log_format": one} for one in logs.LogFormat], indirect=True
)
def test_debug_withholds_nothing(log, lines):
    for _ in range(20):
        log.debug("a frame")
    assert len(lines()) == 20


def test_what_is_still_withheld_is_counted_at_the_end(clock, lines):
    handler = logs.set_up(verbose=False, debug=False, clock=clock)
    for _ in range(7):
        logging.getLogger("streamer.anything").warning("stalled")
    lines()
    logs.tear_down(handler)
    assert lines() == ["stalled (2 more like this in 60 s)"]


def test_what_is_still_withheld_is_counted_where_the_process_ends_at_once(clock, lines):
    handler = logs.set_up(verbose=False, debug=False, clock=clock)
    for _ in range(7):
        logging.getLogger("streamer.anything").warning("stalled")
    lines()
    logging.shutdown([weakref.ref(handler)])
    assert lines() == ["stalled (2 more like this in 60 s)"]
    logs.tear_down(handler)
    assert lines() == []


def test_the_end_is_not_disturbed_by_a_standard_error_that_is_gone(clock, monkeypatch):
    handler = logs.set_up(verbose=False, debug=False, clock=clock)
    for _ in range(7):
        logging.getLogger("streamer.anything").warning("stalled")
    monkeypatch.setattr(sys, "stderr", None)
    logs.tear_down(handler)
    assert handler not in logging.getLogger().handlers


def test_a_flood_of_different_messages_pushes_out_the_oldest_with_its_count(log, lines):
    for _ in range(7):
        log.warning("first")
    for number in range(999):
        log.warning("frame %d", number)
    log.warning("first")
    said = lines()
    assert said == ["first"] * 5 + [f"frame {number}" for number in range(999)]
    log.warning("frame 999")
    assert lines() == ["first (3 more like this in 60 s)", "frame 999"]
    log.warning("first")
    assert lines() == ["first"]


def test_threads_that_say_the_same_at_once_are_counted_together(clock, lines):
    handler = logs.set_up(verbose=False, debug=False, clock=clock)
    ready = threading.Barrier(8)

    def repeat():
        ready.wait()
        for _ in range(50):
            logging.getLogger("streamer.anything").warning("stalled")

    threads = [threading.Thread(target=repeat) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    logs.tear_down(handler)
    assert lines() == ["stalled"] * 5 + ["stalled (395 more like this in 60 s)"]


def test_other_handlers_get_the_record_as_it_was(log, caplog):
    logs.name_streams()
    for _ in range(7):
        log.warning("%s: stalled", "cam", extra={"stream": "front"})
    assert [record.args for record in caplog.records] == [("cam",)] * 7
    assert {record.getMessage() for record in caplog.records} == {"cam: stalled"}


@in_json
@pytest.mark.parametrize(
    ("text", "level", "message"),
    [
        ("error: front: gone", "error", "front: gone"),
        ("warning: left behind: capture", "warning", "left behind: capture"),
        ("note: not the first choice", "info", "not the first choice"),
        ("downloading isnet: 44 MB", "info", "downloading isnet: 44 MB"),
        ("interrupted", "info", "interrupted"),
        ("error: rtsp://me:secret@cam", "error", "rtsp://***@cam"),
    ],
)
def test_what_a_command_prints_on_standard_error_is_json_too(log, objects, text, level, message):
    failures.say(text)
    (said,) = objects()
    assert (said["level"], said["message"], said["logger"]) == (level, message, "streamer.cli")


@in_json
def test_results_on_standard_output_stay_text(log, capsys):
    failures.say("report  out/report.json", err=False)
    assert capsys.readouterr() == ("report  out/report.json\n", "")


def die(error):
    raise error


@pytest.fixture
def python_hook(monkeypatch):
    """What Python does with an exception that ends a thread, instead of what pytest does."""
    monkeypatch.setattr(threading, "excepthook", threading.__excepthook__)


@in_json
def test_what_ends_a_thread_is_one_line_of_json_without_credentials(python_hook, log, objects):
    url = "rtsp://me:secret@cam/1"
    in_thread("streamer-front-model", die, RuntimeError(f"{url}\n{url}"))
    (said,) = objects()
    assert "secret" not in str(said)
    exception = said.pop("exception")
    assert exception.startswith("Traceback")
    assert exception.endswith("RuntimeError: rtsp://***@cam/1\nrtsp://***@cam/1")
    del said["time"]
    assert said == {
        "level": "error",
        "stream": "front",
        "stage": "model",
        "logger": "streamer.cli",
        "message": "streamer-front-model was ended by RuntimeError",
    }


def test_what_ends_a_thread_is_shown_without_credentials(python_hook, log, lines):
    in_thread("streamer-metrics", die, RuntimeError("rtsp://me:secret@cam/1"))
    first, *rest = lines()
    assert first == "streamer-metrics was ended by RuntimeError"
    assert rest[-1] == "RuntimeError: rtsp://***@cam/1"
    assert "secret" not in "".join(rest)


def test_a_thread_that_ends_itself_is_no_failure(python_hook, log, lines):
    in_thread("streamer-metrics", die, SystemExit(3))
    assert lines() == []


def test_whoever_else_watches_threads_is_told_too(monkeypatch, lines):
    told = []
    monkeypatch.setattr(threading, "excepthook", told.append)
    before = threading.excepthook
    handler = logs.set_up(verbose=False, debug=False)
    # Not in a thread: it would keep the arguments.
    threading.excepthook(threading.ExceptHookArgs((KeyError, KeyError("x"), None, None)))
    logs.tear_down(handler)
    assert [args.exc_type for args in told] == [KeyError]
    assert lines()[0] == "a thread was ended by KeyError"
    assert threading.excepthook == before


def test_after_the_end_threads_are_watched_as_before(python_hook):
    handler = logs.set_up(verbose=False, debug=False)
    assert threading.excepthook is not threading.__excepthook__
    logs.tear_down(handler)
    assert threading.excepthook is threading.__excepthook__


def test_the_end_leaves_alone_who_watches_threads_since(python_hook):
    handler = logs.set_up(verbose=False, debug=False)
    threading.excepthook = since = [].append
    logs.tear_down(handler)
    assert threading.excepthook is since


class Full(io.StringIO):
    """A standard error that fails as often as it is told to."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def write(self, text):
        self.times -= 1
        if self.times >= 0:
            raise OSError(f"no space for {text}")
        return super().write(text)


@in_both_formats
def test_a_message_that_cannot_be_written_tells_no_argument(log, monkeypatch):
    full = Full(times=1)
    monkeypatch.setattr(sys, "stderr", full)
    log.warning("reading %s", "rtsp://me:secret@cam")
    line = full.getvalue().rstrip("\n")
    said = json.loads(line)["message"] if line.startswith("{") else line
    assert said == "a message of streamer.anything is lost: OSError"


@in_both_formats
def test_a_standard_error_that_stays_full_gets_nothing_and_stops_nothing(log, monkeypatch):
    full = Full(times=2)
    monkeypatch.setattr(sys, "stderr", full)
    log.warning("reading %s", "rtsp://me:secret@cam")
    assert full.getvalue() == ""
    log.warning("going on")
    assert "going on" in full.getvalue()
