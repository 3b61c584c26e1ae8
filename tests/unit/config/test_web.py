"""Where the page may be served, with which password, and under which names."""

from __future__ import annotations

import pytest
from pydantic import SecretStr, ValidationError

from streamer.config import parse_box
from streamer.config.addresses import called_host
from streamer.config.web import WebConfig
from streamer.errors import ConfigError

PASSWORD = "correct horse"
TLS = {"certificate": "a.pem", "private_key": "b.pem"}


def web(**said: object) -> WebConfig:
    return WebConfig.model_validate(said)


def complaint(**said: object) -> str:
    """What is wrong with it, in one line."""
    with pytest.raises(ValidationError) as refused:
        web(**said)
    assert PASSWORD not in str(refused.value)
    assert PASSWORD not in repr(refused.value)
    return str(refused.value.errors()[0]["msg"])


def test_it_is_served_to_this_machine_without_a_password() -> None:
    config = web()
    assert (config.host, config.port, config.password) == ("127.0.0.1", 8080, None)
    assert not config.has_tls
    assert not config.is_plain_beyond_loopback


@pytest.mark.parametrize(
    ("listen", "host", "port"),
    [
        ("127.0.0.1:0", "127.0.0.1", 0),
        ("localhost:80", "localhost", 80),
        ("[::1]:8080", "::1", 8080),
        ("127.9.9.9:65535", "127.9.9.9", 65535),
    ],
)
def test_an_address_is_a_host_and_a_port(listen: str, host: str, port: int) -> None:
    config = web(listen=listen)
    assert (config.host, config.port) == (host, port)


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "[::]", "[fe80::1]", "cam.lan"])
def test_other_machines_need_a_password_and_nothing_replaces_it(host: str) -> None:
    assert "set password, or write 127.0.0.1:8080" in complaint(listen=f"{host}:8080")
    assert "set password" in complaint(listen=f"{host}:8080", **TLS)
    assert web(listen=f"{host}:8080", password=PASSWORD)
    with pytest.raises(ValidationError, match="insecure"):
        web(listen=f"{host}:8080", insecure=True)


def test_what_travels_between_machines_in_clear_is_known() -> None:
    assert web(listen="0.0.0.0:1", password=PASSWORD).is_plain_beyond_loopback
    assert not web(listen="0.0.0.0:1", password=PASSWORD, **TLS).is_plain_beyond_loopback
    assert not web(password=PASSWORD).is_plain_beyond_loopback


@pytest.mark.parametrize(
    "listen",
    ["127.0.0.1", ":8080", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:8080/page", "::1:8080"],
)
def test_what_is_no_address_is_told_with_one_that_is(listen: str) -> None:
    assert "is not host:port, such as 127.0.0.1:8080 or [::1]:8080" in complaint(listen=listen)


def test_a_password_in_an_address_is_not_repeated() -> None:
    assert "is not host:port" in complaint(listen=f"http://me:{PASSWORD}@127.0.0.1:8080")


@pytest.mark.parametrize("password", ["", "1234567", "ü" * 7, "x" * 1025])
def test_a_password_is_neither_short_nor_endless(password: str) -> None:
    assert "must have 8 to 1024 characters" in complaint(password=password)


@pytest.mark.parametrize("password", ["ü" * 8, "x" * 1024, "日本語のパスワード", "a b c d e"])
def test_a_password_may_have_characters_of_any_script(password: str) -> None:
    assert web(password=password).password == SecretStr(password)


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\t", "a{}\0b", "a\r\n{}"])
def test_a_password_that_no_header_can_carry_is_refused(around: str) -> None:
    assert "control characters" in complaint(password=around.format(PASSWORD))


def test_a_password_is_in_no_text_of_the_configuration() -> None:
    config = web(password=PASSWORD)
    assert PASSWORD not in repr(config)
    assert PASSWORD not in config.model_dump_json()


@pytest.mark.parametrize("given", ["certificate", "private_key"])
def test_a_certificate_and_its_key_go_together(given: str) -> None:
    assert "certificate and private_key go together" in complaint(**{given: "a.pem"})
    assert web(**TLS).has_tls


def test_further_names_have_a_port_or_go_with_every_one() -> None:
    hosts = ["cam.example.org", "cam.example.org:8443", "Box", "192.168.1.5:80", "[fe80::1]:80"]
    assert web(hosts=hosts).hosts == hosts


@pytest.mark.parametrize(
    "host",
    [
        "",
        "*",
        "*.lan",
        "https://cam.lan",
        "cam.lan/",
        "me@cam.lan",
        "cam.lan:",
        "cam..lan",
        "[::1",
        "[1::2::3]",
        "cam lan",
        "cam.lan\r\nX: y",
        "käm.lan",
        "a" * 300,
    ],
)
def test_what_is_no_name_of_a_host_is_told(host: str) -> None:
    said = complaint(hosts=["cam.lan", host])
    assert "entry 2 is not a host, such as cam.example.org" in said
    assert host not in said or not host


@pytest.mark.parametrize("port", ["0", "65536", "99999"])
def test_a_port_of_a_host_is_one_that_exists(port: str) -> None:
    assert "the port must be a number from 1 to 65535" in complaint(hosts=[f"cam.lan:{port}"])


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("CAM.Lan", ("cam.lan", None)),
        ("[0:0:0:0:0:0:0:1]:8080", ("::1", 8080)),
        ("[FE80::1]", ("fe80::1", None)),
        ("127.0.0.1:80", ("127.0.0.1", 80)),
    ],
)
def test_one_host_has_one_form(text: str, host: tuple[str, int | None]) -> None:
    assert called_host(text) == host


@pytest.mark.parametrize(
    ("said", "complaint"),
    [
        ({"listen": "0.0.0.0:80"}, "web: listen: other machines could change the streams"),
        ({"password": "hunter2"}, "web.password: must have 8 to 1024 characters"),
        ({"password": 12345678}, "web.password: the value is not a text: put it in quotes"),
        ({"hosts": "cam.lan"}, "web.hosts: 'cam.lan' is not a list"),
        ({"hosts": ["a", "b/"]}, "web.hosts: entry 2 is not a host"),
        ({"pasword": "hunter2"}, "web: unknown key 'pasword': did you mean 'password'?"),
    ],
)
def test_mistakes_in_a_file_are_told_in_words(said: dict[str, object], complaint: str) -> None:
    alone = {"source": {"type": "usb"}, "sinks": [{"type": "discard"}]}
    with pytest.raises(ConfigError) as refused:
        parse_box({**alone, "web": said}, name="box.yaml")
    assert f"box.yaml: {complaint}" in str(refused.value)
    assert "hunter2" not in str(refused.value)
    assert "12345678" not in str(refused.value)
