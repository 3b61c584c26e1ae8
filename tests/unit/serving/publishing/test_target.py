"""Where to publish: what is refused before anything runs, and what no text may have."""

from __future__ import annotations

from types import SimpleNamespace

import av
import pytest

from streamer.core.tls import authorities
from streamer.errors import ConfigError
from streamer.serving.publishing import target as target_module
from streamer.serving.publishing.target import parse_target


@pytest.mark.parametrize(
    ("url", "muxer", "name"),
    [
        ("rtsp://u:p@cam:554/a", "rtsp", "rtsp://cam:554/a"),
        ("RTSPS://[::1]:322/a?token=x", "rtsp", "rtsps://[::1]:322/a"),
        ("rtmp://host/live/key", "flv", "rtmp://host/live/***"),
        ("rtmps://u:p@host/live", "flv", "rtmps://host/live"),
        ("rtmp://host/live/key#1", "flv", "rtmp://host/live/***"),
        (
            "rtsp://host/user=u&password=p&channel=1",
            "rtsp",
            "rtsp://host/user=***&password=***&channel=1",
        ),
        ("whip+https://host/w", "whip", "whip+https://host/w"),
        ("http://host/w", "whip", "http://host/w"),
    ],
)
def test_a_target_is_named_without_credentials(url, muxer, name):
    target = parse_target(url, tls_verify=False)
    assert (target.muxer, target.name) == (muxer, name)
    assert target.url == url.removeprefix("whip+")
    assert target.options["max_interleave_delta"] == "250000"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("srt://joe:s3cret@host:9000?passphrase=s3cret", "srt://…: is none of http, https, rtmp"),
        ("ftp://joe:s3cret@host/a", "ftp://…: is none of http, https, rtmp"),
        ("s3cret", "no scheme://…: is none of"),
        ("rtsp:///s3cret", "has no host: write rtsp://HOST/PATH"),
        ("rtsp://joe:s3cret@host:s3cret/a", "the URL cannot be read"),
        ("rtsp://joe:s3cret@host:99999/a", "the URL cannot be read"),
        ("rtsp://joe:12#s3cret@host/a", "of a password write / as %2F, # as %23, ? as %3F"),
        ("rtsp://joe:s3cret?x@host/a", "of a password write / as %2F, # as %23, ? as %3F"),
    ],
)
def test_a_target_that_is_none_is_refused_without_its_credentials(url, said):
    with pytest.raises(ConfigError, match="publish: ") as refused:
        parse_target(url)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_a_transport_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="'carrier' is neither tcp nor udp"):
        parse_target("rtsp://host/a", "carrier")  # type: ignore[arg-type]


def test_what_a_server_says_is_told_without_credentials():
    target = parse_target("rtmp://joe:s3%40cret@host/app/k3y?auth=t0ken")
    text = target.hide("rtmp://joe:s3%40cret@host/app s3@cret publish 'k3y' t0ken")
    for secret in ("s3", "cret", "k3y", "t0ken", "joe"):
        assert secret not in text
    told = target.explain("rejected", "no\nsuch k3y")
    assert told == "rtmp://host/app/***: the server refused the stream: no such ***"


SECRET = "s3%2Fcr%20et+w%3Dx"


@pytest.mark.parametrize(
    "url",
    [
        "whip+http://host/whip?jwt={}",
        "rtsp://host/live?a=1;streamid={}",
        "rtsp://host/live?{}",
        "rtsp://{}@host/live",
        "rtmp://host/app/{}",
        "rtmp://host/app/key?passphrase={}",
    ],
)
@pytest.mark.parametrize("form", [SECRET, "s3/cr et+w=x", "s3/cr et w=x"])
def test_a_secret_is_hidden_as_it_is_written_and_as_it_is_meant(url, form):
    target = parse_target(url.format(SECRET))
    said = target.explain("rejected", f"no such thing as '{form}'; {target.url}, offer: v=0")
    for part in ("s3", "cr", "et+w", "w=x", "w%3D"):
        assert part not in said.partition("no such thing")[2]
    assert "s3" not in repr(target) + target.name
    assert said.endswith("offer: v=0")


def test_a_query_that_ffmpeg_cut_short_is_hidden():
    target = parse_target("whip+http://host/whip?sig=" + "s3cret" * 300)
    line = f"Failed to request url={target.url}"[:1023]
    assert target.explain("rejected", line).endswith("url=http://host/whip?***")


def test_what_pyav_lacks_is_told_without_credentials():
    target = parse_target("rtmp://host/app/k3y")
    told = target.explain("unsupported", "Protocol not found: rtmp://host/app/k3y")
    assert "inside PyAV cannot publish to such a URL (Protocol not found: " in told
    assert "k3y" not in told


def test_windows_is_refused(monkeypatch):
    monkeypatch.setattr(target_module, "sys", SimpleNamespace(platform="win32"))
    with pytest.raises(ConfigError, match="needs Linux or macOS"):
        parse_target("rtsp://host/a")


def test_a_pyav_without_the_muxer_is_refused(monkeypatch):
    monkeypatch.setattr(av, "formats_available", av.formats_available - {"whip"})
    with pytest.raises(ConfigError, match=r"publish: http://…: .* has no whip: publish by RTSP"):
        parse_target("http://joe:s3cret@host/w")


def test_the_certificate_of_an_rtsps_server_is_verified_by_default(tmp_path):
    default = parse_target("rtsps://host/a").options
    assert default["tls_verify"] == "1"
    assert default["ca_file"] == authorities(None)
    own = tmp_path / "ca.pem"
    own.touch()
    assert parse_target("rtsps://host/a", tls_ca=str(own)).options["ca_file"] == str(own)
    for options in (
        parse_target("rtsps://host/a", tls_verify=False, tls_ca="none.pem").options,
        parse_target("rtsp://host/a").options,
    ):
        assert not {"tls_verify", "ca_file"} & set(options)


def test_authorities_that_are_not_there_are_told_before_anything_runs():
    with pytest.raises(ConfigError, match=r"publish: tls_ca: none\.pem: no such file"):
        parse_target("rtsps://host/a", tls_ca="none.pem")


@pytest.mark.parametrize("scheme", ["rtmps", "whip+https", "https"])
def test_a_certificate_that_ffmpeg_cannot_verify_is_known_as_such(scheme):
    assert parse_target(f"{scheme}://host/a/b").unverified
    assert not parse_target(f"{scheme}://host/a/b", tls_verify=False).unverified
    assert not parse_target("rtsps://host/a").unverified
    with pytest.raises(ConfigError, match="tls_ca: FFmpeg cannot verify"):
        parse_target(f"{scheme}://host/a/b", tls_ca="ca.pem")
