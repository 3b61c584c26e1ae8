"""Who may use the page and its API: honest browsers and programs, and those that are not."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pytest
from fastapi import FastAPI, Request, WebSocket
from fastapi.responses import PlainTextResponse, Response, StreamingResponse
from starlette.testclient import TestClient, WebSocketTestSession
from starlette.types import Message, Scope
from starlette.websockets import WebSocketDisconnect

from streamer.control.web.access import PROGRAM, Access, Hosts, Sessions, Tries, client_of
from streamer.control.web.guard import CSP, Guard, session_routes
from tests.fakes import FakeClock

PASSWORD = "pässwörd 日本"
OURS = "http://127.0.0.1:8080"
COOKIE = "streamer_session_8080"
LOOPBACK = Hosts("127.0.0.1", 8080)
ECHO = "/api/echo"
LIVE = "/api/streams/door/live"
UPLOAD = "/api/streams/door/background"
DAY_S = 24 * 3600


Answer = Any
"""Of httpx or httpx2, whichever the test client has."""


def application(access: Access) -> FastAPI:
    """A page, and an API that says what came."""
    app = FastAPI()
    app.include_router(session_routes(access))

    @app.get("/")
    async def page() -> Response:
        return PlainTextResponse("the page")

    @app.get(ECHO)
    async def show(request: Request) -> dict[str, bool]:
        return {"program": request.state.session is PROGRAM}

    @app.post(ECHO)
    @app.post(UPLOAD)
    @app.post("/outside")
    async def echo(request: Request) -> dict[str, int]:
        return {"bytes": len(await request.body())}

    @app.get("/api/live.mjpeg")
    async def pictures() -> StreamingResponse:
        async def parts() -> AsyncIterator[bytes]:
            for number in range(3):
                yield b"%d" % number

        return StreamingResponse(parts(), headers={"Cache-Control": "private"})

    @app.get("/api/failure")
    async def fail() -> None:
        raise RuntimeError("not today")

    @app.websocket(LIVE)
    async def live(viewer: WebSocket) -> None:
        await viewer.accept()
        await viewer.send_text("picture")
        await viewer.close()

    return app


class Site:
    """A guarded application, and browsers that go there."""

    def __init__(self, password: str | None = None, hosts: Hosts = LOOPBACK) -> None:
        self.clock = FakeClock()
        self.access = Access(password, clock=self.clock)
        self.guard = Guard(application(self.access), self.access, hosts)

    def browser(self, url: str = OURS, address: str = "10.0.0.1") -> TestClient:
        return TestClient(self.guard, url, client=(address, 50000), raise_server_exceptions=False)

    def guest(self) -> tuple[TestClient, str]:
        """A browser with a session, which took no password, and its token."""
        browser = self.browser()
        token, session = self.access.sessions.open()
        browser.cookies.set(COOKIE, token)
        assert session.csrf is not None
        return browser, session.csrf


@pytest.fixture
def open_site() -> Site:
    """Without a password."""
    return Site()


@pytest.fixture(scope="module")
def hashed() -> Site:
    """With the password, which takes long to hash; for tests that give no wrong one."""
    return Site(PASSWORD)


@pytest.fixture
def site() -> Site:
    """With the password, and no tries so far."""
    return Site(PASSWORD)


def log_in(browser: TestClient, password: str = PASSWORD, **headers: str) -> Answer:
    return browser.post("/api/session", json={"password": password}, headers=headers)


def is_refused(answer: Answer, status: int, why: str) -> bool:
    said = answer.json()
    assert set(said) == {"key", "why"}
    assert said["key"] is None
    return answer.status_code == status and why in said["why"]


# The sessions of browsers


def test_without_a_password_the_page_gets_a_session_by_asking(open_site: Site) -> None:
    browser = open_site.browser()
    assert is_refused(browser.get(ECHO), 401, "no session")
    answer = browser.get("/api/session")
    told = answer.json()
    assert (told["required"], told["open"]) == (False, True)
    assert browser.get(ECHO).json() == {"program": False}
    sent = browser.post(ECHO, content=b"four", headers={"X-CSRF-Token": told["token"]})
    assert sent.json() == {"bytes": 4}
    again = browser.get("/api/session")
    assert again.json() == told
    assert "set-cookie" not in again.headers, "it keeps its session"


def test_with_a_password_the_page_gets_a_session_by_giving_it(hashed: Site) -> None:
    browser = hashed.browser()
    closed = browser.get("/api/session")
    assert closed.json() == {"required": True, "open": False, "token": None}
    assert "set-cookie" not in closed.headers
    answer = log_in(browser)
    assert answer.status_code == 200
    assert answer.json() == {"required": True, "open": True, "token": answer.json()["token"]}
    assert browser.get("/api/session").json() == answer.json()
    assert browser.get(ECHO).status_code == 200


def test_scripts_and_other_sites_do_not_get_the_cookie(open_site: Site) -> None:
    cookie = open_site.browser().get("/api/session").headers["set-cookie"]
    parts = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert parts == {"httponly", "samesite=strict", "path=/", "max-age=604800"}


def test_with_tls_the_cookie_never_travels_in_clear(open_site: Site) -> None:
    ours = "https://127.0.0.1:8080"
    assert "Secure" in open_site.browser(ours).get("/api/session").headers["set-cookie"]
    proxied = Site(hosts=Hosts("127.0.0.1", 8080, ["cam.example.org"]))
    page = proxied.browser("http://cam.example.org")
    answer = page.post("/api/session", headers={"Origin": "https://cam.example.org"})
    assert "Secure" in answer.headers["set-cookie"]


def test_a_logout_ends_the_session_everywhere(open_site: Site) -> None:
    browser, token = open_site.guest()
    session = open_site.access.sessions.find(browser.cookies[COOKIE])
    assert session is not None
    assert open_site.access.sessions.holds(session)
    thief = open_site.browser()
    thief.cookies.set(COOKIE, browser.cookies[COOKIE])
    assert browser.delete("/api/session", headers={"X-CSRF-Token": token}).status_code == 204
    assert not open_site.access.sessions.holds(session), "live pictures end too"
    assert is_refused(thief.get(ECHO), 401, "no session")
    assert browser.delete("/api/session").status_code == 204, "there is none to end"


def test_a_session_id_from_elsewhere_is_never_taken_over(open_site: Site) -> None:
    for fixed in ("fixed-by-somebody", "a" * 43, "a" * 50_000, "é", '"x"', ""):
        cookie = {"Cookie": f"{COOKIE}={fixed}".encode()}
        assert open_site.browser().get(ECHO, headers=cookie).status_code == 401
        given = open_site.browser().get("/api/session", headers=cookie).cookies[COOKIE]
        assert given != fixed
        assert len(given) == 43
        assert open_site.browser().get(ECHO, headers=cookie).status_code == 401


def test_a_login_replaces_the_session_of_before(hashed: Site) -> None:
    browser, _ = hashed.guest()
    before = browser.cookies[COOKIE]
    browser.cookies.clear()
    log_in(browser, Cookie=f"{COOKIE}={before}")
    assert hashed.access.sessions.find(before) is None
    assert hashed.access.sessions.find(browser.cookies[COOKIE]) is not None


def test_the_right_cookie_is_found_among_others(open_site: Site) -> None:
    browser, _ = open_site.guest()
    token = browser.cookies[COOKIE]
    browser.cookies.clear()
    for cookies in (
        f"a=b; {COOKIE}=tossed; {COOKIE}={token}",
        f"; ;=;{COOKIE}={token};",
        f"{COOKIE}x=1; x{COOKIE}=2;{COOKIE}={token}",
    ):
        assert browser.get(ECHO, headers={"Cookie": cookies}).status_code == 200, cookies
    for cookies in (f"{COOKIE}={token}x", f"x{COOKIE}={token}", f"{COOKIE.upper()}={token}", token):
        assert browser.get(ECHO, headers={"Cookie": cookies}).status_code == 401, cookies


def test_a_session_ends_when_nobody_used_it_for_twelve_hours() -> None:
    clock = FakeClock()
    sessions = Sessions(clock)
    token, session = sessions.open()
    for _ in range(3):
        clock.pass_s(DAY_S / 2 - 1)
        assert sessions.find(token) is session
    clock.pass_s(DAY_S / 2 - 1)
    assert sessions.holds(session), "watching is using"
    clock.pass_s(DAY_S / 2)
    assert sessions.find(token) is None
    assert not sessions.holds(session)
    assert len(sessions) == 0


def test_a_session_ends_after_a_week_however_much_it_is_used() -> None:
    clock = FakeClock()
    sessions = Sessions(clock)
    token, session = sessions.open()
    for _ in range(7 * 24 - 1):
        clock.pass_s(3600)
        assert sessions.find(token) is session
    clock.pass_s(3600)
    assert sessions.find(token) is None


def test_an_expired_session_opens_nothing(open_site: Site) -> None:
    browser, token = open_site.guest()
    open_site.clock.pass_s(DAY_S / 2)
    assert is_refused(browser.get(ECHO), 401, "no session")
    assert is_refused(browser.post(ECHO, headers={"X-CSRF-Token": token}), 401, "no session")


def test_of_too_many_sessions_the_one_that_was_idle_for_longest_ends() -> None:
    sessions = Sessions(FakeClock())
    tokens = [sessions.open()[0] for _ in range(256)]
    assert sessions.find(tokens[0]) is not None
    sessions.open()
    assert len(sessions) == 256
    assert sessions.find(tokens[0]) is not None
    assert sessions.find(tokens[1]) is None


def test_sessions_that_are_over_go_before_those_that_are_not() -> None:
    clock = FakeClock()
    sessions = Sessions(clock)
    for _ in range(255):
        sessions.open()
    clock.pass_s(DAY_S / 4)
    kept, _ = sessions.open()
    clock.pass_s(DAY_S / 4)
    sessions.open()
    assert len(sessions) == 2
    assert sessions.find(kept) is not None


def test_no_token_is_in_a_text() -> None:
    token, session = Sessions(FakeClock()).open()
    assert session.csrf is not None
    assert token not in repr(session)
    assert session.csrf not in repr(session)


# Changes, and pages that ask for them


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "ODD"])
def test_nothing_changes_without_the_token_of_the_page(open_site: Site, method: str) -> None:
    browser, _ = open_site.guest()
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": "é"}):
        raw = {name: value.encode() for name, value in headers.items()}
        assert is_refused(browser.request(method, ECHO, headers=raw), 403, "X-CSRF-Token")


def test_the_token_of_another_session_is_of_no_use(open_site: Site) -> None:
    browser, own = open_site.guest()
    _, foreign = open_site.guest()
    assert is_refused(browser.post(ECHO, headers={"X-CSRF-Token": foreign}), 403, "another session")
    both = [("X-CSRF-Token", foreign), ("X-CSRF-Token", own)]
    assert is_refused(browser.post(ECHO, headers=both), 403, "another session")
    assert browser.post(ECHO, headers={"X-CSRF-Token": own}).status_code == 200


def test_a_page_elsewhere_cannot_log_anybody_out(open_site: Site) -> None:
    browser, _ = open_site.guest()
    assert is_refused(browser.delete("/api/session"), 403, "X-CSRF-Token")
    assert browser.get(ECHO).status_code == 200


FOREIGN = [
    "null",
    "",
    "http://evil.example",
    "http://127.0.0.1",
    "http://127.0.0.1:8081",
    "https://127.0.0.1:8080",
    "http://localhost:8080",
    "http://127.0.0.1:8080.evil.example",
    "http://127.0.0.1:8080@evil.example",
    "http://evil.example#http://127.0.0.1:8080",
    "http://127.0.0.1:8080/",
    "http://127.0.0.1:8080 http://evil.example",
    "127.0.0.1:8080",
    "file://127.0.0.1:8080",
    "chrome-extension://abcdef",
    "http://[::1]:8080",
    "http://[::1",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_other_origins_are_refused_whatever_they_show(open_site: Site, origin: str) -> None:
    browser, token = open_site.guest()
    headers = {"Origin": origin, "X-CSRF-Token": token}
    for method, path in (("POST", ECHO), ("POST", "/api/session"), ("GET", ECHO), ("POST", "/")):
        answer = browser.request(method, path, headers=headers)
        assert is_refused(answer, 403, "other sites"), (method, path)
        assert "access-control-allow-origin" not in answer.headers
    program = {"Origin": origin, "Authorization": "Bearer anything"}
    assert is_refused(browser.get(ECHO, headers=program), 403, "other sites")


def test_our_origin_passes_and_a_second_one_does_not(open_site: Site) -> None:
    browser, token = open_site.guest()
    ours = [("X-CSRF-Token", token), ("Origin", OURS)]
    assert browser.post(ECHO, headers=ours).status_code == 200
    two = [*ours, ("Origin", "http://evil.example")]
    assert is_refused(browser.post(ECHO, headers=two), 403, "other sites")


@pytest.mark.parametrize("site_", ["cross-site", "same-site", "odd"])
def test_a_page_elsewhere_can_neither_change_nor_show_anything(open_site: Site, site_: str) -> None:
    browser, token = open_site.guest()
    headers = {"Sec-Fetch-Site": site_, "X-CSRF-Token": token}
    for method, path in (
        ("POST", ECHO),
        ("POST", "/outside"),
        ("GET", "/api/live.mjpeg"),
        ("GET", "/api/session"),
    ):
        assert is_refused(browser.request(method, path, headers=headers), 403, "other sites")
    assert browser.get("/", headers=headers).text == "the page", "links may lead to us"
    for own in ("same-origin", "none"):
        assert browser.get("/api/live.mjpeg", headers={"Sec-Fetch-Site": own}).text == "012"


# The names by which it is called


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8080", "localhost:8080", "LocalHost:8080", "[::1]:8080"]
)
def test_loopback_is_called_by_its_names(open_site: Site, host: str) -> None:
    assert open_site.browser().get("/", headers={"Host": host}).text == "the page"


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "127.0.0.1.evil.example:8080",
        "localhost.evil.example:8080",
        "127.0.0.1",
        "127.0.0.1:80",
        "127.0.0.1:08081",
        "192.168.1.5:8080",
        "127.1:8080",
        "2130706433:8080",
        "localhost.:8080",
        "127.0.0.1:8080:8080",
        "127.0.0.1:8080, evil.example",
        "evil@127.0.0.1:8080",
        "127.0.0.1:8080/",
        "[::1]",
        "[::1%25lo]:8080",
        "[]:8080",
        "127.0.0.1:+8080",
        "127.0.0.1:\uff18\uff10\uff18\uff10",
        "",
        " ",
    ],
)
def test_a_name_that_was_rebound_gets_not_even_the_page(open_site: Site, host: str) -> None:
    browser, token = open_site.guest()
    headers = {"Host": host.encode(), "X-CSRF-Token": token.encode()}
    for method, path in (("GET", "/"), ("GET", "/api/session"), ("POST", ECHO)):
        assert is_refused(browser.request(method, path, headers=headers), 403, "name"), path
    rebound = {**headers, "Origin": b"http://" + host.encode()}
    assert is_refused(browser.post(ECHO, headers=rebound), 403, "name")
    assert open_site.access.sessions.find(browser.cookies[COOKIE]) is not None


def test_a_request_names_one_host(open_site: Site) -> None:
    for hosts in ([], [b"127.0.0.1:8080", b"127.0.0.1:8080"], [b"evil.example", b"127.0.0.1:8080"]):
        scope = http_scope(headers=[(b"host", host) for host in hosts])
        assert asyncio.run(answered(open_site.guard, scope))[0]["status"] == 403


@pytest.mark.parametrize(
    ("listen", "called", "allowed"),
    [
        ("0.0.0.0", "192.168.1.5:8080", True),
        ("0.0.0.0", "127.0.0.1:8080", True),
        ("0.0.0.0", "localhost:8080", True),
        ("0.0.0.0", "192.168.1.5", False),
        ("0.0.0.0", "[2001:db8::1]:8080", True),
        ("::", "[fe80::1]:8080", True),
        ("192.168.1.5", "10.0.0.1:8080", True),
        ("0.0.0.0", "box:8080", True),
        ("0.0.0.0", "box.home.arpa:8080", True),
        ("0.0.0.0", "box.local:8080", True),
        ("0.0.0.0", "box.evil.example:8080", False),
        ("0.0.0.0", "box", False),
        ("0.0.0.0", "evil.example:8080", False),
        ("cam.lan", "cam.lan:8080", True),
        ("cam.lan", "cam2.lan:8080", False),
        ("127.9.9.9", "127.9.9.9:8080", True),
        ("127.9.9.9", "10.0.0.1:8080", False),
        ("127.0.0.1", "box:8080", False),
        ("::1", "[0:0:0:0:0:0:0:1]:8080", True),
    ],
)
def test_beyond_loopback_it_is_called_by_any_address_and_its_own_names(
    listen: str, called: str, allowed: bool
) -> None:
    assert Hosts(listen, 8080, machine="Box.home.arpa").allow(called, "http") is allowed


@pytest.mark.parametrize(
    ("port", "scheme", "called", "allowed"),
    [
        (80, "http", "localhost", True),
        (80, "http", "localhost:80", True),
        (443, "https", "localhost", True),
        (443, "http", "localhost", False),
        (80, "https", "localhost", False),
    ],
)
def test_the_usual_port_of_a_scheme_may_be_left_out(
    port: int, scheme: str, called: str, allowed: bool
) -> None:
    assert Hosts("127.0.0.1", port).allow(called, scheme) is allowed


@pytest.mark.parametrize(
    ("further", "called", "allowed"),
    [
        ("cam.example.org", "cam.example.org", True),
        ("cam.example.org", "CAM.example.org:9000", True),
        ("Cam.Example.org:8443", "cam.example.org:8443", True),
        ("cam.example.org:8443", "cam.example.org", False),
        ("cam.example.org:8443", "cam.example.org:8080", False),
        ("cam.example.org:443", "cam.example.org", True),
        ("cam.example.org", "evil.cam.example.org", False),
        ("localhost:9000", "localhost:9000", True),
        ("[fe80::1]", "[fe80:0::1]:1", True),
    ],
)
def test_further_names_are_those_of_the_configuration(
    further: str, called: str, allowed: bool
) -> None:
    assert Hosts("127.0.0.1", 8080, [further]).allow(called, "http") is allowed


@pytest.mark.parametrize(
    ("called", "origin", "own"),
    [
        ("cam.example.org", "https://cam.example.org", True),
        ("cam.example.org", "https://cam.example.org:443", True),
        ("cam.example.org", "http://cam.example.org", True),
        ("cam.example.org:9000", "https://cam.example.org:9000", True),
        ("cam.example.org", "https://cam.example.org:9000", False),
        ("cam.example.org", "https://evil.example", False),
        ("localhost:8080", "https://localhost:8080", False),
        ("localhost:8080", "https://cam.example.org", False),
    ],
)
def test_a_proxy_may_speak_tls_under_further_names(called: str, origin: str, own: bool) -> None:
    hosts = Hosts("127.0.0.1", 8080, ["cam.example.org"])
    assert hosts.allow(called, "http")
    assert hosts.is_own(origin, called, "http") is own


# Passwords, and those who guess them


def test_the_sixth_try_within_a_minute_is_not_looked_at_not_even_the_right_one(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    browser = site.browser()
    for number in range(5):
        site.clock.pass_s(5)
        assert is_refused(log_in(browser, f"wrong {number}"), 401, "wrong password")
    assert caplog.messages == ["10.0.0.1: wrong password"] * 5
    late = log_in(browser)
    assert is_refused(late, 429, "try again in 40 s")
    assert late.headers["retry-after"] == "40"
    assert is_refused(browser.get(ECHO, headers=bearer()), 429, "try again")
    assert len(caplog.messages) == 5
    assert "wrong 0" not in caplog.text
    site.clock.pass_s(39)
    assert log_in(browser).headers["retry-after"] == "1"
    site.clock.pass_s(1)
    assert log_in(browser).status_code == 200


def test_one_who_guesses_keeps_no_other_client_out(site: Site) -> None:
    for _ in range(6):
        log_in(site.browser(), "wrong password")
    assert log_in(site.browser(address="10.0.0.2")).status_code == 200


def test_a_session_lives_on_while_its_client_may_not_try(site: Site) -> None:
    browser, _ = site.guest()
    for _ in range(6):
        log_in(site.browser(), "wrong password")
    assert browser.get(ECHO).status_code == 200


def test_tries_at_the_same_time_are_no_more_than_one_after_another(site: Site) -> None:
    async def all_at_once() -> list[tuple[bool, int]]:
        tries = (site.access.check("10.0.0.1", f"wrong {number}") for number in range(50))
        return [(verdict.right, verdict.wait_s) for verdict in await asyncio.gather(*tries)]

    assert asyncio.run(all_at_once()) == [(False, 0)] * 5 + [(False, 60)] * 45


def test_right_passwords_are_no_tries(site: Site) -> None:
    for _ in range(7):
        assert log_in(site.browser()).status_code == 200


def test_all_strangers_together_have_half_a_minute_of_tries() -> None:
    clock = FakeClock()
    tries = Tries(clock)
    for number in range(30):
        assert tries.wait_s(f"10.0.1.{number}") == 0
        tries.take(f"10.0.1.{number}")
        clock.pass_s(1)
    assert tries.wait_s("10.0.2.1") == 30
    assert len(tries) == 30
    clock.pass_s(30)
    assert tries.wait_s("10.0.2.1") == 0
    clock.pass_s(60)
    assert tries.wait_s("10.0.2.1") == 0
    assert len(tries) == 0


def test_a_crowd_that_guesses_keeps_nobody_out_who_was_in_before() -> None:
    tries = Tries(FakeClock())
    tries.take("10.0.0.1")
    tries.prove("10.0.0.1")
    for number in range(30):
        tries.take(f"10.0.1.{number}")
    assert tries.wait_s("10.0.2.1") == 60
    for _ in range(5):
        assert tries.wait_s("10.0.0.1") == 0
        tries.take("10.0.0.1")
    assert tries.wait_s("10.0.0.1") == 60


def test_the_tries_of_one_who_was_in_before_are_none_of_strangers() -> None:
    tries = Tries(FakeClock())
    tries.prove("10.0.0.1")
    for number in range(29):
        tries.take(f"10.0.1.{number}")
        tries.take("10.0.0.1")
    assert tries.wait_s("10.0.2.1") == 0
    tries.take("10.0.2.1")
    assert tries.wait_s("10.0.2.2") == 60


def test_only_the_latest_of_those_who_were_in_are_remembered() -> None:
    tries = Tries(FakeClock())
    for number in range(200):
        tries.prove(f"10.0.1.{number}")
    for number in range(30):
        tries.take(f"10.0.2.{number}")
    assert [tries.wait_s(f"10.0.1.{number}") for number in (0, 135, 136, 199)] == [60, 60, 0, 0]


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("::1", "::1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("evil\r\nname", "unknown"),
    ],
)
def test_one_client_is_who_has_one_address_or_one_network(host: str, client: str) -> None:
    assert client_of(host) == client


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"password"',
        b"{}",
        b'{"password": null}',
        b'{"password": 12345678}',
        b'{"password": ["a"]}',
        b'{"password": "\xff"}',
        b"[" * 60_000,
        b'{"password": ' + b"9" * 60_000 + b"}",
        b"password=whatever",
    ],
)
def test_what_is_no_password_is_no_try(hashed: Site, body: bytes) -> None:
    answer = hashed.browser(address="10.0.0.9").post("/api/session", content=body)
    assert is_refused(answer, 422, "the body is not")


def test_odd_passwords_are_wrong_and_hurt_nobody(site: Site) -> None:
    browser = site.browser()
    for body in (
        b'{"password": ""}',
        b'{"password": "\\ud800"}',
        b'{"password": "\\u0000"}',
        b'{"password": "' + b"x" * 60_000 + b'"}',
    ):
        answer = browser.post("/api/session", content=body)
        assert is_refused(answer, 401, "wrong password"), body[:30]
    huge = browser.post("/api/session", content=b'{"password": "' + b"x" * (64 << 10) + b'"}')
    assert is_refused(huge, 413, "is too large: 64 KiB at most")


def test_a_password_is_the_same_however_its_accents_are_typed(hashed: Site) -> None:
    composed, decomposed = "p\u00e4ssw\u00f6rd 日本", "pa\u0308sswo\u0308rd 日本"
    assert composed == PASSWORD
    assert log_in(hashed.browser(), decomposed).status_code == 200


def test_the_loop_is_free_while_a_password_is_hashed(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashing, go_on, most = threading.Semaphore(0), threading.Event(), []
    running: set[int] = set()

    def slowly(guess: str) -> bool:
        running.add(threading.get_ident())
        most.append(len(running))
        hashing.release()
        go_on.wait(20)
        running.discard(threading.get_ident())
        return False

    password = site.access._password
    monkeypatch.setattr(password, "matches", slowly)

    async def free() -> None:
        tries = [asyncio.ensure_future(site.access.check("10.0.0.1", "x")) for _ in range(5)]
        while not hashing.acquire(blocking=False):
            await asyncio.sleep(0.001)
        go_on.set()
        await asyncio.gather(*tries)

    asyncio.run(free())
    assert len(most) == 5
    assert max(most) <= 2, "and few are hashed at once"


# Programs


def bearer(password: str = PASSWORD, scheme: str = "Bearer") -> dict[str, bytes]:
    return {"Authorization": f"{scheme} {password}".encode()}


def test_a_program_needs_the_password_and_nothing_else(hashed: Site) -> None:
    program = hashed.browser()
    assert program.get(ECHO, headers=bearer()).json() == {"program": True}
    assert program.post(ECHO, headers=bearer(), content=b"four").json() == {"bytes": 4}
    told = program.get("/api/session", headers=bearer())
    assert told.json() == {"required": True, "open": True, "token": None}
    assert "set-cookie" not in told.headers
    assert not program.cookies


def test_without_a_password_a_program_may_show_any(open_site: Site) -> None:
    assert open_site.browser().get(ECHO, headers=bearer("x")).json() == {"program": True}
    assert len(open_site.access.sessions) == 0


def test_a_password_that_was_right_is_not_hashed_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = site.browser()
    assert program.get(ECHO, headers=bearer()).status_code == 200
    hashes: list[str] = []
    monkeypatch.setattr(site.access._password, "matches", hashes.append)
    for _ in range(20):
        assert program.get(ECHO, headers=bearer()).status_code == 200
    assert hashes == []
    assert program.get(ECHO, headers=bearer("wrong")).status_code == 401
    assert hashes == ["wrong"]


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "Bearer  ", " Bearer"])
def test_the_scheme_is_read_as_http_has_it(hashed: Site, scheme: str) -> None:
    assert hashed.browser().get(ECHO, headers=bearer(scheme=scheme)).status_code == 200


def test_programs_that_write_latin_letters_in_the_old_way_are_understood() -> None:
    site = Site("pässwörd")
    answer = site.browser().get(
        ECHO, headers={"Authorization": "Bearer pässwörd".encode("latin-1")}
    )
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer \xff\xfe",
        b"Bearer " + b"x" * 50_000,
        b"Bearer " + PASSWORD.encode() + b"x",
        b"Bearer\t" + PASSWORD.encode(),
        b"Basic " + PASSWORD.encode(),
        b"Bearer:" + PASSWORD.encode(),
        b"BearerBearer " + PASSWORD.encode(),
        PASSWORD.encode(),
        b"",
        b"\x00",
    ],
)
def test_odd_authorization_lets_nobody_in(value: bytes) -> None:
    answer = Site(PASSWORD).browser().get(ECHO, headers={"Authorization": value})
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


def test_of_two_passwords_none_counts(hashed: Site) -> None:
    right = ("Authorization", b"Bearer " + PASSWORD.encode())
    answer = hashed.browser().get(ECHO, headers=[right, right])  # type: ignore[arg-type]
    assert is_refused(answer, 401, "more than one")


def test_a_wrong_password_is_wrong_beside_a_cookie_too(site: Site) -> None:
    browser, _ = site.guest()
    assert is_refused(browser.get(ECHO, headers=bearer("wrong")), 401, "wrong password")
    basic = {"Authorization": "Basic YTpi"}
    assert browser.get(ECHO, headers=basic).status_code == 200, "a proxy's own password"


def test_programs_are_limited_as_browsers_are(site: Site) -> None:
    program = site.browser()
    for _ in range(5):
        assert program.get(ECHO, headers=bearer("wrong")).status_code == 401
    limited = program.get(ECHO, headers=bearer())
    assert is_refused(limited, 429, "too many wrong passwords")
    assert limited.headers["retry-after"] == "60"
    assert log_in(program).status_code == 429


# Bodies


def test_a_body_is_bounded_by_what_it_announces(open_site: Site) -> None:
    browser, token = open_site.guest()
    for path, most in ((ECHO, 64 << 10), ("/outside", 64 << 10), (UPLOAD, 10 << 20)):
        fits = browser.post(path, content=bytes(most), headers={"X-CSRF-Token": token})
        assert fits.json() == {"bytes": most}, path
        large = browser.post(path, content=bytes(most + 1), headers={"X-CSRF-Token": token})
        assert is_refused(large, 413, "too large"), path


def test_a_body_that_announces_nothing_is_counted_as_it_comes(open_site: Site) -> None:
    for path, most in ((ECHO, 64 << 10), (UPLOAD, 10 << 20)):
        assert asyncio.run(streamed(open_site, path, [most // 2, most // 2])) == (200, most)
        status, taken = asyncio.run(streamed(open_site, path, [most // 2] * 40))
        assert status == 413, path
        assert taken <= 2 * most, "the rest is never asked for"


async def streamed(site: Site, path: str, sizes: Sequence[int]) -> tuple[int, int]:
    """The status of a request with a body in pieces of *sizes*, and how many bytes were taken."""
    headers = [(b"host", b"127.0.0.1:8080"), (b"authorization", b"Bearer x")]
    taken: list[int] = []
    statuses: list[int] = []

    async def receive() -> Message:
        taken.append(sizes[len(taken)])
        more = len(taken) < len(sizes)
        return {"type": "http.request", "body": bytes(taken[-1]), "more_body": more}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await site.guard(http_scope("POST", path, headers), receive, send)
    assert len(statuses) == 1
    return statuses[0], sum(taken)


@pytest.mark.parametrize("length", [b"9" * 5000, b"65537", b"00000000000000000065537"])
def test_a_large_length_is_refused_before_anything_is_read(open_site: Site, length: bytes) -> None:
    headers = [(b"host", b"127.0.0.1:8080"), (b"authorization", b"Bearer x")]
    scope = http_scope("POST", ECHO, [*headers, (b"content-length", length)])
    assert asyncio.run(answered(open_site.guard, scope))[0]["status"] == 413


@pytest.mark.parametrize("length", [b"", b"-1", b"x", b"1e9", b"\xc2\xb2"])
def test_a_length_that_lies_is_of_no_use(open_site: Site, length: bytes) -> None:
    headers = [(b"host", b"127.0.0.1:8080"), (b"authorization", b"Bearer x")]
    scope = http_scope("POST", ECHO, [*headers, (b"content-length", length)])
    sent = asyncio.run(answered(open_site.guard, scope, bytes(100_000)))
    assert sent[0]["status"] == 413


def test_who_has_no_session_sends_nothing(open_site: Site) -> None:
    scope = http_scope("POST", UPLOAD, [(b"host", b"127.0.0.1:8080")])
    assert asyncio.run(answered(open_site.guard, scope))[0]["status"] == 401


def test_an_answer_that_began_is_cut_short_when_the_body_grows_too_large(open_site: Site) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        assert (await receive())["type"] == "http.disconnect"
        assert (await receive())["type"] == "http.disconnect"
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(app, open_site.access, LOOPBACK)
    scope = http_scope("POST", "/outside", [(b"host", b"127.0.0.1:8080")])
    sent = asyncio.run(answered(guard, scope, bytes(100_000)))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def http_scope(
    method: str = "GET", path: str = "/", headers: Iterable[tuple[bytes, bytes]] = ()
) -> Scope:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "scheme": "http",
        "http_version": "1.1",
        "headers": list(headers),
        "client": ("10.0.0.1", 50000),
        "server": ("127.0.0.1", 8080),
    }


async def answered(app: Any, scope: Scope, body: bytes | None = None) -> list[Message]:
    """What *app* sends; without a *body* it must not ask for one."""
    sent: list[Message] = []

    async def receive() -> Message:
        assert body is not None, "it wants to read"
        return {"type": "http.request", "body": body, "more_body": True}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


# Answers


def test_every_answer_makes_browsers_careful(open_site: Site) -> None:
    browser, _ = open_site.guest()
    for path, headers, status in (
        ("/", {}, 200),
        (ECHO, {}, 200),
        ("/nothing", {}, 404),
        ("/api/nothing", {}, 404),
        ("/api/failure", {}, 500),
        ("/", {"Host": "evil.example"}, 403),
        (ECHO, {"Origin": "null"}, 403),
        (ECHO, {"Cookie": ""}, 401),
    ):
        answer = browser.get(path, headers=headers)
        assert answer.status_code == status, path
        assert answer.headers["content-security-policy"] == CSP
        assert "'unsafe" not in CSP
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-opener-policy"] == "same-origin"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        kept = "cache-control" not in answer.headers
        assert kept == (path in ("/", "/nothing") and status != 403)
        assert kept or answer.headers["cache-control"] == "no-store"


def test_what_an_answer_says_itself_stays(open_site: Site) -> None:
    browser, _ = open_site.guest()
    answer = browser.get("/api/live.mjpeg")
    assert answer.headers.get_list("cache-control") == ["private"]


def test_what_was_asked_is_never_among_the_headers_of_the_answer(open_site: Site) -> None:
    evil = b"x\r\nX-Evil: 1"
    for name in (b"host", b"origin", b"cookie", b"authorization", b"x-csrf-token"):
        for path in ("/", ECHO, "/api/session"):
            given = {b"host": b"127.0.0.1:8080", name: evil}
            sent = asyncio.run(answered(open_site.guard, http_scope("GET", path, given.items())))
            assert all(b"evil" not in b"".join(header).lower() for header in sent[0]["headers"])


@pytest.mark.parametrize(
    "path", ["/api", "/api/", "//api/echo", "/prefix/api/echo", "/api/session/"]
)
def test_no_other_spelling_of_a_path_leads_past_the_session(open_site: Site, path: str) -> None:
    scope = http_scope("GET", path, [(b"host", b"127.0.0.1:8080")])
    assert asyncio.run(answered(open_site.guard, scope))[0]["status"] == 401


# WebSockets


def connect(
    site: Site, headers: dict[str, Any], url: str = "ws://127.0.0.1:8080"
) -> WebSocketTestSession:
    return site.browser().websocket_connect(url + LIVE, headers=dict(headers))


def picture(site: Site, headers: dict[str, Any]) -> str:
    with connect(site, headers) as socket:
        return socket.receive_text()


def closing_code(site: Site, headers: dict[str, Any]) -> int:
    """The code with which a WebSocket is closed once it is accepted."""
    with connect(site, headers) as socket:
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        return closed.value.code


def refusal(site: Site, headers: dict[str, Any], **url: str) -> str:
    """Why a handshake is refused, as servers are told, which answer it with 403."""
    with pytest.raises(WebSocketDisconnect) as refused, connect(site, headers, **url):
        pass
    assert refused.value.code == 1008
    return refused.value.reason


def cookie(site: Site) -> dict[str, str]:
    token, _ = site.access.sessions.open()
    return {"Cookie": f"{COOKIE}={token}"}


def test_the_page_watches_with_its_cookie(open_site: Site) -> None:
    assert picture(open_site, {"Origin": OURS, **cookie(open_site)}) == "picture"


@pytest.mark.parametrize("headers", [{}, {"Cookie": f"{COOKIE}=stale"}])
def test_a_viewer_without_a_session_is_told_so_by_a_code(
    hashed: Site, headers: dict[str, str]
) -> None:
    assert closing_code(hashed, {"Origin": OURS, **headers}) == 4401


@pytest.mark.parametrize("origin", FOREIGN)
def test_a_page_elsewhere_cannot_watch(open_site: Site, origin: str) -> None:
    assert "other sites" in refusal(open_site, {"Origin": origin, **cookie(open_site)})


def test_a_browser_says_where_a_viewer_is_from(open_site: Site) -> None:
    assert "needs an Origin" in refusal(open_site, cookie(open_site))
    elsewhere = {"Origin": OURS, "Sec-Fetch-Site": "cross-site", **cookie(open_site)}
    assert "other sites" in refusal(open_site, elsewhere)


def test_a_rebound_name_cannot_watch(open_site: Site) -> None:
    page = {"Origin": "http://evil.example:8080", **cookie(open_site)}
    assert "not known by that name" in refusal(open_site, page, url="ws://evil.example:8080")


def test_a_program_watches_with_the_password(site: Site) -> None:
    assert picture(site, bearer()) == "picture"
    for _ in range(5):
        assert closing_code(site, bearer("wrong")) == 4401
    assert closing_code(site, bearer()) == 4429


def test_a_viewer_who_is_gone_before_the_handshake_is_told_nothing(open_site: Site) -> None:
    scope = {**http_scope(path=LIVE), "type": "websocket", "scheme": "ws"}

    async def receive() -> Message:
        return {"type": "websocket.disconnect"}

    async def send(message: Message) -> None:
        pytest.fail(f"{message} was sent")

    asyncio.run(open_site.guard(scope, receive, send))
