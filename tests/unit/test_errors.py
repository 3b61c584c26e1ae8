"""No message of ours carries a password, and every failure has its exit code."""

from __future__ import annotations

import pytest

from streamer import errors


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:secret@cam/1: refused", "rtsp://***@cam/1: refused"),
        ("rtsp://user:p@ss@cam/1", "rtsp://***@cam/1"),
        ("http://token@host and rtsps://a:b@c", "http://***@host and rtsps://***@c"),
        ("rtsp://cam/1", "rtsp://cam/1"),
        ("rtsp://admin:pa'ss/x@cam/1 is mute", "rtsp://***@cam/1 is mute"),
        (
            "rtsp://cam/1?channel=2&user=me&password=x'y",
            "rtsp://cam/1?channel=2&user=***&password=***",
        ),
        (
            "rtsp://cam/user=me&password=x&channel=1.sdp",
            "rtsp://cam/user=***&password=***&channel=1.sdp",
        ),
        (
            "http://cam/whip?jwt=a.b&stream_key=k&streamkey=k&n=1",
            "http://cam/whip?jwt=***&stream_key=***&streamkey=***&n=1",
        ),
        (
            "srt://host:9000?streamid=publish:k&passphrase=p&mode=caller",
            "srt://host:9000?streamid=***&passphrase=***&mode=caller",
        ),
        ("http://h/a?access_token=t&api_key=k", "http://h/a?access_token=***&api_key=***"),
        ("http://h/a?keyframes=2&monkey=3", "http://h/a?keyframes=2&monkey=3"),
        ("mail a@b.example", "mail a@b.example"),
        ("rtsp://admin:my pass@host/x: refused", "rtsp://***@host/x: refused"),
        ("rtsp://admin:my p@ss word@host/x", "rtsp://***@host/x"),
        ("from rtsp://a:b c@d/1 to rtsp://e:f g@h/2", "from rtsp://***@d/1 to rtsp://***@h/2"),
        ("http://h/x?password=my pw&x=1: gone", "http://h/x?password=***&x=1: gone"),
    ],
)
def test_credentials_in_urls_are_masked(text, shown) -> None:
    assert errors.redact(text) == shown
    assert str(errors.SourceError(text)) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://admin:my pass@host/x", "rtsp://***@host/x"),
        ("rtsp://admin:pa#s s@host:554/x", "rtsp://***@host:554/x"),
        ("rtsp://admin:pa/ss@host/x?y=1", "rtsp://***@host/x?y=1"),
        ("rtsp://host/x?password=my pw", "rtsp://host/x?password=***"),
        ("http://host/x?password=my pw&x=1 2", "http://host/x?password=***&x=1 2"),
        ("http://host/x?user=a b&pwd=c d;e&z=1", "http://host/x?user=***&pwd=***&z=1"),
        ("rtsp://[::1]:554/x", "rtsp://[::1]:554/x"),
        ("no url", "no url"),
    ],
)
def test_of_a_url_itself_no_blank_ends_what_is_hidden(url, shown) -> None:
    assert errors.public_url(url) == shown
    assert errors.redact(shown) == shown


def test_a_failed_stage_has_the_exit_code_and_text_of_its_cause() -> None:
    failed = errors.StageFailed("capture", errors.SourceLost("gone"))
    assert (failed.exit_code, str(failed)) == (3, "capture: gone")
    bug = errors.StageFailed("matting", ZeroDivisionError("by zero"))
    assert (bug.exit_code, str(bug)) == (1, "matting: ZeroDivisionError: by zero")


def test_every_error_has_a_documented_exit_code() -> None:
    families = {
        errors.ConfigError: 2,
        errors.CommandRefused: 2,
        errors.SourceError: 3,
        errors.ModelError: 4,
        errors.SinkError: 5,
    }
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.StreamerError):
            expected = next((code for base, code in families.items() if issubclass(kind, base)), 1)
            if kind is not errors.MissingDependency:
                assert kind.exit_code == expected, kind
            assert kind.__name__ in (errors.__doc__ or "")
