import logging

import pytest

from streamer.cli import logs


@pytest.fixture
def log(request):
    handler = logs.set_up(**{"verbose": False, "debug": False, **getattr(request, "param", {})})
    yield logging.getLogger("streamer.anything")
    logs.tear_down(handler)


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
