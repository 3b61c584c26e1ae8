"""
What every request passes before the application sees it: is it for us, from our page, let in?

Pages of other sites can make a browser send us requests, and with DNS rebinding under a name of
their own. So `Host` and `Origin` are looked at first, of static files and WebSockets too.
"""

from __future__ import annotations

import hmac
import json
import re
from typing import Any

from fastapi import APIRouter
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from streamer.control.web.access import (
    LONGEST_S,
    PROGRAM,
    Access,
    Hosts,
    Session,
    client_of,
)

SESSION_PATH = "/api/session"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
NO_SESSION = 4401
"""With this a WebSocket without a session is closed, once it is accepted."""

_BODY_BYTES = 64 << 10
_PICTURE_BYTES = 10 << 20
_PICTURE_PATH = re.compile(r"/api/streams/[^/]+/background")
_CODES = {401: NO_SESSION, 429: 4429}
"""With these a WebSocket is accepted, then closed. Others refuse the handshake, with 403, of which
browsers tell the page nothing."""
_SAFE = ("GET", "HEAD")
_SCHEMES = {"ws": "http", "wss": "https"}
_COOKIES = 8
"""Cookies of our name that are looked at: folders and domains may each have one."""
_TOKEN_CHARACTERS = 100
_FOREIGN = "requests of other sites are refused"

_HEADERS = {
    b"content-security-policy": CSP.encode(),
    b"x-content-type-options": b"nosniff",
    b"referrer-policy": b"no-referrer",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
}


class Refusal(Exception):
    """
    A request that goes no further.

    Args:
        status: 400 or more.
        why: one line for the user.
        headers: of the answer.
    """

    def __init__(self, status: int, why: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.response = JSONResponse(
            {"key": None, "why": why}, status, {"Cache-Control": "no-store", **(headers or {})}
        )


class Guard:
    """
    ASGI middleware around the whole application.

    Below `/api/` it lets nobody in without a session, except to `/api/session`, and has the session
    in `scope["state"]["session"]`. It bounds requests' bodies and adds what makes browsers careful
    to all answers, unless they have such a header themselves. Answers and WebSockets that last pass
    as they come.

    Args:
        app: the application.
        access: its password and sessions.
        hosts: by which it may be called.
    """

    def __init__(self, app: ASGIApp, access: Access, hosts: Hosts) -> None:
        self._app = app
        self._access = access
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, WebSocket or lifespan."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        send = _with_headers(scope, send)
        try:
            session = await self._admit(scope)
            scope.setdefault("state", {})["session"] = session
            if scope["type"] == "websocket":
                await self._app(scope, receive, send)
            else:
                await self._serve_bounded(scope, receive, send)
        except Refusal as refusal:
            await _refuse(refusal, scope, receive, send)

    async def _admit(self, scope: Scope) -> Session | None:
        """The session of a request that may go on; one of a static file needs none."""
        self._check_host_and_origin(scope)
        path, is_safe = scope["path"], _is_safe(scope)
        is_api = _is_api(path)
        site = _values(scope, b"sec-fetch-site")
        if (is_api or not is_safe) and not set(site) <= {"same-origin", "none"}:
            raise Refusal(403, _FOREIGN)
        if not is_api:
            return None
        session = await self._session(scope)
        if session is None and path != SESSION_PATH:
            raise Refusal(401, "there is no session: log in", {"WWW-Authenticate": "Bearer"})
        if not is_safe and (path, scope.get("method")) != (SESSION_PATH, "POST"):
            _check_token(scope, session)
        if scope["type"] == "websocket" and session is not PROGRAM and not _origins(scope):
            raise Refusal(403, "a WebSocket needs an Origin, or Authorization: Bearer")
        return session

    def _check_host_and_origin(self, scope: Scope) -> None:
        scheme, called = _scheme(scope), _values(scope, b"host")
        if len(called) != 1 or not self._hosts.allow(called[0], scheme):
            raise Refusal(
                403,
                "this server is not known by that name: use its address, or add it to its hosts",
            )
        if not all(self._hosts.is_own(origin, called[0], scheme) for origin in _origins(scope)):
            raise Refusal(403, _FOREIGN)

    async def _session(self, scope: Scope) -> Session | None:
        shown = [
            password
            for value in _raw_values(scope, b"authorization")
            if (password := _bearer(value)) is not None
        ]
        if not shown:
            tokens = _tokens(scope)
            return next(filter(None, map(self._access.sessions.find, tokens)), None)
        if len(shown) > 1:
            raise Refusal(401, "there is more than one Authorization")
        await _judge(self._access, scope, shown[0])
        return PROGRAM

    async def _serve_bounded(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the application answer, unless the request's body is too large."""
        is_picture = scope["method"] == "POST" and _PICTURE_PATH.fullmatch(scope["path"])
        most = _PICTURE_BYTES if is_picture else _BODY_BYTES
        too_large = Refusal(413, f"is too large: {most >> 10} KiB at most")
        if any(_exceeds(length, most) for length in _raw_values(scope, b"content-length")):
            raise too_large
        came, begun, refused = 0, False, False

        async def counted() -> Message:
            nonlocal came, refused
            if came > most:
                return {"type": "http.disconnect"}
            message = await receive()
            came += len(message.get("body", b""))
            if came <= most:
                return message
            if not begun:
                refused = True
                await too_large.response(scope, receive, send)
            return {"type": "http.disconnect"}

        async def unless_refused(message: Message) -> None:
            nonlocal begun
            if not refused:
                begun = True
                await send(message)

        try:
            await self._app(scope, counted, unless_refused)
        except Exception:
            if not refused:  # else it is the application's surprise that its client went away
                raise


def session_routes(access: Access) -> APIRouter:
    """
    `/api/session`: whether there is one, log in, log out.

    They need a `Guard` around them.
    """
    router = APIRouter(tags=["session"])

    @router.get(SESSION_PATH)
    async def show_session(request: Request) -> Response:
        """Whether this client may use the API; without a password, it may from now on."""
        session: Session | None = request.scope["state"]["session"]
        return _told(access, session) if session or access.required else _opened(access, request)

    @router.post(SESSION_PATH)
    async def log_in(request: Request) -> Response:
        """Open a session for who knows the password."""
        session: Session | None = request.scope["state"]["session"]
        try:
            if access.required:
                password = _password_in(await request.body())
                await _judge(access, request.scope, password)
        except ClientDisconnect:
            return Response(status_code=400)
        except Refusal as refusal:
            return refusal.response
        if session is not None:  # a session from before a login may be known to others
            access.sessions.close(session)
        return _opened(access, request)

    @router.delete(SESSION_PATH, status_code=204)
    async def log_out(request: Request) -> Response:
        """End this client's session, if it has one."""
        session: Session | None = request.scope["state"]["session"]
        if session is not None:
            access.sessions.close(session)
        response = Response(status_code=204)
        _set_cookie(response, request.scope, "", 0)
        return response

    return router


def _told(access: Access, session: Session | None) -> Response:
    return JSONResponse(
        {
            "required": access.required,
            "open": session is not None,
            "token": session.csrf if session else None,
        }
    )


def _opened(access: Access, request: Request) -> Response:
    token, session = access.sessions.open()
    response = _told(access, session)
    _set_cookie(response, request.scope, token, LONGEST_S)
    return response


def _set_cookie(response: Response, scope: Scope, token: str, age_s: int) -> None:
    # Behind a proxy that speaks TLS for us, only the page knows that it was fetched so.
    secure = _scheme(scope) == "https" or any(o.startswith("https:") for o in _origins(scope))
    response.set_cookie(
        cookie_of(scope), token, age_s, httponly=True, samesite="strict", secure=secure
    )


def cookie_of(scope: Scope) -> str:
    """The name of a session's cookie; browsers send it to other ports of the host as well."""
    _, port = scope.get("server") or ("", None)
    return f"streamer_session_{port}"


def _password_in(body: bytes) -> str:
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        said = None
    password = said.get("password") if isinstance(said, dict) else None
    if not isinstance(password, str):
        raise Refusal(422, 'the body is not {"password": "…"}')
    return password


async def _judge(access: Access, scope: Scope, password: str) -> None:
    """Raises Refusal, unless *password* is the right one, and may be tried now."""
    host, _ = scope.get("client") or ("", 0)
    verdict = await access.check(client_of(host), password)
    if verdict.wait_s:
        raise Refusal(
            429,
            f"too many wrong passwords: try again in {verdict.wait_s} s",
            {"Retry-After": str(verdict.wait_s)},
        )
    if not verdict.right:
        raise Refusal(401, "wrong password", {"WWW-Authenticate": "Bearer"})


async def _refuse(refusal: Refusal, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await refusal.response(scope, receive, send)
        return
    if (await receive())["type"] != "websocket.connect":
        return
    code = _CODES.get(refusal.status)
    if code is not None:
        await send({"type": "websocket.accept"})
    # Not by a whole answer to the handshake: uvicorn 0.54 logs an error after each.
    await send({"type": "websocket.close", "code": code or 1008, "reason": str(refusal)})


def _check_token(scope: Scope, session: Session | None) -> None:
    """Whether the page itself sent a request that changes something: it alone has the token."""
    if session is None or session.csrf is None:
        return
    shown = _raw_values(scope, b"x-csrf-token")
    if len(shown) != 1 or not hmac.compare_digest(shown[0], session.csrf.encode()):
        raise Refusal(403, "X-CSRF-Token is missing or of another session: load the page again")


def _with_headers(scope: Scope, send: Send) -> Send:
    added = dict(_HEADERS)
    if _is_api(scope["path"]):
        added[b"cache-control"] = b"no-store"

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            own = [(name.lower(), value) for name, value in message.get("headers", ())]
            names = {name for name, _ in own}
            further = [header for header in added.items() if header[0] not in names]
            message = {**message, "headers": [*own, *further]}
        await send(message)

    return sending


def _is_api(path: str) -> bool:
    # Anywhere: a prefix that the application takes off must not open it.
    return "/api/" in f"{path}/"


def _is_safe(scope: Scope) -> bool:
    return scope["type"] == "websocket" or scope["method"] in _SAFE


def _scheme(scope: Scope) -> str:
    scheme: str = scope.get("scheme", "http")
    return _SCHEMES.get(scheme, scheme)


def _raw_values(scope: Scope, name: bytes) -> list[bytes]:
    headers: Any = scope["headers"]
    return [value for key, value in headers if key.lower() == name]


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for value in _raw_values(scope, name)]


def _origins(scope: Scope) -> list[str]:
    return _values(scope, b"origin")


def _bearer(value: bytes) -> str | None:
    """The password in a header Authorization; None: it is of another kind, a proxy's perhaps."""
    scheme, _, password = value.strip().partition(b" ")
    if scheme.lower() != b"bearer":
        return None
    try:
        return password.strip().decode()
    except UnicodeDecodeError:
        return password.strip().decode("latin-1")  # as old programs write it


def _tokens(scope: Scope) -> list[str]:
    """What may be our tokens among the cookies."""
    pairs = (
        pair.strip().partition("=")
        for line in _values(scope, b"cookie")
        for pair in line.split(";")
    )
    tokens = [value for name, _, value in pairs if name == cookie_of(scope)]
    return [token for token in tokens[:_COOKIES] if 0 < len(token) <= _TOKEN_CHARACTERS]


def _exceeds(length: bytes, most: int) -> bool:
    """Whether a header Content-Length announces more; what is no number is counted as it comes."""
    digits = length.strip().lstrip(b"0")
    return digits.isdigit() and (len(digits) > 15 or int(digits) > most)
