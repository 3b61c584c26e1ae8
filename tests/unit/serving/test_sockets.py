"""Sockets that servers listen with."""

from __future__ import annotations

import socket

import pytest

from streamer.serving.sockets import listening_socket, refusal


@pytest.mark.parametrize("host", ["a..b", "a" * 100, "a\0b"])
def test_a_name_that_no_host_can_have_is_an_unknown_host(host: str) -> None:
    with pytest.raises(OSError) as refused:
        listening_socket(host, 0)
    assert refusal(refused.value).startswith("unknown host: ")


def test_the_scope_of_a_link_local_address_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    bound: list[object] = []

    class Socket(socket.socket):
        def bind(self, address: object) -> None:
            bound.append(address)
            super().bind(("127.0.0.1", 0))

    address = ("fe80::1", 554, 0, 7)
    found = (socket.AF_INET, socket.SOCK_STREAM, 0, "", address)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *asked, **how: [found])
    monkeypatch.setattr(socket, "socket", Socket)
    listening_socket("fe80::1%7", 554).close()
    assert bound == [address]
