"""Where metrics may be served, in a file of one stream and of several."""

from __future__ import annotations

import pytest

from streamer.config import parse_box
from streamer.config.metrics import MetricsConfig
from streamer.errors import ConfigError

ALONE = {"source": {"type": "usb"}, "sinks": [{"type": "discard"}]}


def metrics(said: object) -> MetricsConfig | None:
    return parse_box({**ALONE, "metrics": said}, name="box.yaml").metrics


def test_they_are_served_on_this_machine_if_they_are_asked_for() -> None:
    assert parse_box(ALONE).metrics is None
    assert metrics({}) == MetricsConfig(listen="127.0.0.1:9464", insecure=False, ready_s=5.0)


def test_a_file_of_one_stream_and_of_several_may_ask_for_them() -> None:
    several = {"streams": {"door": ALONE, "hall": ALONE}, "metrics": {"ready_s": 2}}
    assert parse_box(several).metrics == MetricsConfig(ready_s=2)
    one = parse_box(ALONE, ["metrics.ready_s=2"])
    assert one.metrics == MetricsConfig(ready_s=2)
    assert one.alone, "its failure still ends the run"


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:9464", "127.0.0.1", 9464),
        ("localhost:0", "localhost", 0),
        ("[::1]:80", "::1", 80),
        ("127.9.9.9:65535", "127.9.9.9", 65535),
    ],
)
def test_an_address_is_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    found = MetricsConfig(listen=listen)
    assert (found.host, found.port) == (host, port)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "[::]", "camera-box.lan"])
def test_other_machines_get_them_only_on_purpose(host: str) -> None:
    with pytest.raises(
        ConfigError, match=r"box\.yaml: metrics: listen: other machines could"
    ) as no:
        metrics({"listen": f"{host}:9464"})
    assert "write 127.0.0.1:9464, or insecure: true" in str(no.value)
    assert metrics({"listen": f"{host}:9464", "insecure": True}) is not None


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"listen": "127.0.0.1"}, "metrics.listen: is not host:port"),
        ({"listen": ":9464"}, "metrics.listen: is not host:port"),
        ({"listen": "127.0.0.1:"}, "metrics.listen: is not host:port"),
        ({"listen": "127.0.0.1:65536"}, "metrics.listen: is not host:port"),
        ({"listen": "127.0.0.1:9464/metrics"}, "metrics.listen: is not host:port"),
        ({"listen": "::1:9464"}, "metrics.listen: is not host:port"),
        ({"listen": 9464}, "metrics.listen: 9464 is not a text"),
        ({"ready_s": 0}, "metrics.ready_s: 0 is not a positive number"),
        ({"lisen": "127.0.0.1:1"}, "metrics: unknown key 'lisen': did you mean 'listen'?"),
        ("127.0.0.1:9464", "metrics: '127.0.0.1:9464' is not a mapping"),
    ],
)
def test_mistakes_are_told_in_words(said: object, complaint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        metrics(said)
    assert complaint in str(caught.value)


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        metrics({"listen": "http://user:hunter2@127.0.0.1:9464"})
    assert "hunter2" not in str(caught.value)
