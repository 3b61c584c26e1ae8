from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from streamer.config import RtspSinkConfig, RtspSourceConfig, ServeAddress, parse_config
from streamer.errors import ConfigError


def test_an_address_is_host_port_path_and_credentials():
    address = ServeAddress.parse("rtsp://me:p%40ss@0.0.0.0:9000/front/door")
    assert (address.host, address.port, address.path) == ("0.0.0.0", 9000, "/front/door")
    assert (address.username, address.password) == ("me", "p@ss")
    assert address.url == "rtsp://0.0.0.0:9000/front/door"
    assert "p@ss" not in repr(address)


@pytest.mark.parametrize(
    ("url", "port"), [("rtsp://127.0.0.1/a", 8554), ("rtsps://[::1]/a", 8322), ("rtsp://h:0/a", 0)]
)
def test_without_a_port_there_is_a_usual_one(url: str, port: int):
    assert ServeAddress.parse(url).port == port


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("0.0.0.0", False), ("cam", False)],
)
def test_only_loopback_is_local(host: str, local: bool):
    assert ServeAddress.parse(f"rtsp://{host}/a").is_local is local


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://127.0.0.1/a", "write rtsp://"),
        ("rtsp:///a", "no host"),
        ("rtsp://127.0.0.1", "must end in a path"),
        ("rtsp://127.0.0.1/", "must end in a path"),
        ("rtsp://127.0.0.1:99999/a", "port"),
        ("rtsp://127.0.0.1/a?b=c", "path"),
        ("rtsp://127.0.0.1/a%20b", "path"),
        ("rtsp://127.0.0.1//a", "path"),
        ("rtsp://secret@127.0.0.1/a", "both user and password"),
        ("rtsp://me:[secret]@127.0.0.1/a", "special characters of a password"),
        ("rtsp://me:se/cret@127.0.0.1/a", "a '/' in its user or password must be written as %2F"),
        ("rtsp://me:se#cret@127.0.0.1/a", "must be written as %23"),
        ("rtsp://me:12#cret@127.0.0.1/a", "must be written as %23"),
        ("rtsp://me:secret\u2100@127.0.0.1/a", "special characters of a password"),
    ],
)
def test_what_is_no_address_is_told_without_repeating_it(url: str, reason: str):
    with pytest.raises(ValueError) as refused:
        ServeAddress.parse(url)
    assert reason in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "cret" not in str(refused.value)


def relay(**fields: object) -> RtspSinkConfig:
    return RtspSinkConfig.model_validate({"type": "rtsp", **fields})


def test_others_may_watch_only_with_a_password_or_on_purpose():
    with pytest.raises(ValueError, match=r"others could watch at 0\.0\.0\.0 without a password"):
        relay(serve="rtsp://0.0.0.0/a")
    assert relay(serve="rtsp://0.0.0.0/a", insecure=True)
    assert relay(serve="rtsp://me:pw@0.0.0.0/a")
    assert relay(serve="rtsp://127.0.0.1/a")


def test_a_relay_serves_or_publishes_or_both():
    with pytest.raises(ValueError, match="give serve, publish or both"):
        relay()
    assert relay(serve="rtsp://127.0.0.1/a", publish="rtsp://h/a")
    with pytest.raises(ValueError, match="without a password"):
        relay(serve="rtsp://0.0.0.0/a", publish="rtsp://h/a")


def test_tls_goes_with_a_certificate():
    with pytest.raises(ValueError, match="certificate and private_key"):
        relay(serve="rtsps://127.0.0.1/a")
    with pytest.raises(ValueError, match="certificate and private_key"):
        relay(serve="rtsp://127.0.0.1/a", certificate="a.pem", private_key="b.pem")


@pytest.mark.parametrize(
    ("model", "fields"),
    [
        (RtspSinkConfig, {"serve": "rtsp://me:s3cret@0.0.0.0:99999/x"}),
        (RtspSinkConfig, {"publish": "rtsp://me:s3cret@h/x", "serve": "rtsp://s3cret@0.0.0.0/x"}),
        (RtspSourceConfig, {"url": "rtsp://u@h/x", "username": "a", "password": "s3cret"}),
        (RtspSourceConfig, {"url": ["rtsp://me:s3cret@h/x"]}),
    ],
)
def test_no_credentials_are_in_an_error_from_python(model: type[BaseModel], fields):
    with pytest.raises(ValidationError) as refused:
        model.model_validate({"type": "rtsp", **fields})
    assert "s3cret" not in str(refused.value)
    assert "s3cret" not in repr(refused.value)


def test_no_credentials_are_in_a_configurations_text():
    config = relay(serve="rtsp://me:s3cret@127.0.0.1/a")
    assert "s3cret" not in repr(config)
    assert "s3cret" not in config.model_dump_json()


def served(*urls: str) -> dict[str, object]:
    sinks = [{"type": "rtsp", "serve": url} for url in urls]
    return {"source": {"type": "usb"}, "sinks": sinks}


def test_several_streams_share_a_port_under_paths_of_their_own():
    assert parse_config(served("rtsp://127.0.0.1/a", "rtsp://127.0.0.1/b"), name="c")


@pytest.mark.parametrize(
    ("urls", "reason"),
    [
        (("rtsp://127.0.0.1/a", "rtsp://127.0.0.1:8554/a/"), "another sink has this path"),
        (("rtsp://127.0.0.1/a", "rtsp://me:pw@127.0.0.1/b"), "the same user, password and"),
    ],
)
def test_streams_that_cannot_share_a_port_are_told_before_anything_runs(urls, reason):
    with pytest.raises(ConfigError, match=r"sinks\.1\.serve: ") as refused:
        parse_config(served(*urls), name="c")
    assert reason in str(refused.value)
