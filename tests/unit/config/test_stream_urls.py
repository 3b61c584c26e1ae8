"""Which URLs a live source takes, and the way out of one that it does not."""

from __future__ import annotations

import pytest

from streamer.config import parse_config
from streamer.errors import ConfigError


def checked(source: dict[str, object]):
    return parse_config({"source": source, "sinks": [{"type": "discard"}]}, name="c.yaml").source


def complaint(source: dict[str, object]) -> str:
    with pytest.raises(ConfigError) as refused:
        checked(source)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://cam",
        "RTSP://cam:554/1",
        "rtsps://me:s3cret@[fe80::1]:322/a?b=c",
        "http://cam/video.mjpg?user=me&pwd=s3cret",
        "https://me:s3cret@cam:8443/live.m3u8",
        "rtsp://me:p@ss@cam/1",
        "rtsp://me:p ss%2F@cam/1",
        "rtsp://me:p:ss@cam/1#x",
        "rtsp://cam/a@b?c=d@e",
        "rtsp://cam:554?user=me&mail=a@b",
        "rtsp://cam:554/a@b",
        " rtsp://cam/1 ",
    ],
)
def test_rtsp_and_http_are_taken(url):
    assert checked({"type": "rtsp", "url": url}).url.get_secret_value() == url


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("udp://239.0.0.1:1234", "udp:// is not read: only rtsp, rtsps, http, https"),
        ("rtp://h:5004", "rtp:// is not read"),
        ("srt://h:9000?passphrase=s3cret", "srt:// is not read"),
        ("rtmp://me:s3cret@h/live/key", "rtmp:// is not read"),
        ("tcp://h:1", "tcp:// is not read"),
        ("mms://h/1", "mms:// is not read"),
        ("ftp://me:s3cret@h/1", "ftp:// is not read"),
        ("whip+https://h/1", "whip+https:// is not read"),
        ("file:///etc/s3cret", "file:// is no live stream: use `type: file` with its path"),
        ("concat:s3cret|b", "is no URL of a stream"),
        ("data:video/mp4;base64,s3cret", "is no URL of a stream"),
        ("lavfi:testsrc", "is no URL of a stream"),
        ("cam/1", "is no URL of a stream: write rtsp://HOST/PATH"),
        ("", "is no URL of a stream"),
        ("rtsp://", "names no host: write rtsp://HOST/PATH"),
        ("http:///x", "names no host"),
        ("rtsp://me:s3cret@/x", "names no host"),
        ("rtsp://h:99999/x", "the port is a number up to 65535"),
        ("rtsp://h:x/x", "the port is a number up to 65535"),
        ("rtsp://h/x\r\nEvil: 1", "a line break or another control character"),
        ("rtsp://me:s3/cret@h/x", "a '/' in its user or password must be written as %2F"),
        ("rtsp://me:s3#cret@h/x", "a '#' in its user or password must be written as %23"),
        ("rtsp://me:s3?cret@h/x", "a '?' in its user or password must be written as %3F"),
        ("rtsp://me:12#s3cret@h/x", "a '#' in its user or password must be written as %23"),
        ("rtsp://me#s3:cret@h/x", "a '#' in its user or password must be written as %23"),
        ("rtsp://me:12?s3cret@h/x", "a '?' in its user or password must be written as %3F"),
        ("rtsp://me:[s3cret@h:x/1", "or use source.username and source.password"),
    ],
)
def test_others_are_refused_with_the_way_out(url, said):
    message = complaint({"type": "rtsp", "url": url})
    assert message.startswith("c.yaml: source.url: ")
    assert said in message
    for part in ("s3", "cret", "key"):
        assert part not in message


def test_what_must_be_quoted_in_a_url_is_taken_as_it_is_beside_it():
    message = complaint({"type": "rtsp", "url": "rtsp://me:a/b@cam/1"})
    assert "source.username and source.password take it as it is" in message
    source = checked({"type": "rtsp", "url": "rtsp://cam/1", "username": "me", "password": "a/b#?"})
    assert source.password.get_secret_value() == "a/b#?"


@pytest.mark.parametrize("url", ["http://cam/1", "https://cam/1"])
def test_udp_is_for_rtsp(url):
    message = complaint({"type": "rtsp", "url": url, "transport": "udp"})
    assert "transport udp is for rtsp://" in message


@pytest.mark.parametrize("kind", ["file", "images"])
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("http://me:s3cret@cam/1.mp4", "is a URL: a live stream is `type: rtsp` with `url:`"),
        ("rtsp://me:s3cret@cam/1", "is a URL: a live stream is `type: rtsp` with `url:`"),
        ("ftp://me:s3cret@h/1.mp4", "is a URL: write the path of a file on this machine"),
        ("file:///a.mp4", "is a URL: write the path of a file on this machine"),
    ],
)
def test_a_file_is_no_url(kind, path, said):
    message = complaint({"type": kind, "path": path})
    assert said in message
    assert "s3cret" not in message


@pytest.mark.parametrize("kind", ["image", "video"])
def test_nor_is_a_background(kind):
    with pytest.raises(ConfigError, match="is a URL") as refused:
        parse_config(
            {
                "source": {"type": "usb"},
                "compose": {"background": {"type": kind, "path": "http://me:s3cret@h/a"}},
                "sinks": [{"type": "discard"}],
            }
        )
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("path", ["C:\\a.mp4", "C:/a.mp4", "a:b.mp4", "x//y.mp4"])
def test_paths_with_colons_and_slashes_are_paths(path):
    assert checked({"type": "file", "path": path}).path == path
