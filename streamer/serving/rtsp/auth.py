"""
Who may watch: Digest authentication, SHA-256 (RFC 7616) and MD5 (RFC 2617).

Basic is never offered: it would send the password itself, readable by anyone on the way. MD5 is
offered, last and without `qop`, because most players know nothing else.

A nonce carries its own time and a keyed hash that binds it to the viewer's address, so none is
stored. It is good for a minute, after which `stale=true` invites a new try with the same password;
a connection that has used one may keep it, for players do not answer challenges to keep-alives.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from urllib.parse import unquote

from streamer.serving.rtsp.messages import Request

REALM = "streamer"
NONCE_S = 60.0

_HASHES: dict[str, Callable[[bytes], hashlib._Hash]] = {
    "SHA-256": hashlib.sha256,
    # The protocol's own hash for older players, not a choice of ours.
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False),
}
_AUTHORITY = re.compile(r"^rtsps?://[^/?]*", re.IGNORECASE)
_PARAMETER = re.compile(r'\s*([a-zA-Z]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a viewer must know."""

    user: str
    password: str = field(repr=False)


class Verdict(Enum):
    """The result of checking a request's credentials."""

    GRANTED = auto()
    STALE = auto()
    """Right, but with a nonce that has expired."""
    DENIED = auto()


class DigestGuard:
    """
    Challenges, and checks the answers. Used from the server's thread.

    Args:
        credentials: the one user and password.
        now: seconds, monotonic; for tests.
    """

    def __init__(self, credentials: Credentials, now: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._now = now
        self._key = secrets.token_bytes(32)

    def challenges(self, address: str, *, stale: bool = False) -> list[str]:
        """Values for `WWW-Authenticate`, best first; players that know one hash take the last."""
        nonce = self._nonce(address, int(self._now() * 1000))
        start = f'Digest realm="{REALM}", nonce="{nonce}"'
        end = ", stale=true" if stale else ""
        return [
            f'{start}, algorithm=SHA-256, qop="auth"{end}',
            f"{start}, algorithm=MD5{end}",
        ]

    def check(self, request: Request, address: str, known_nonce: str | None) -> Verdict:
        """
        Whether *request* has the right answer to one of our challenges.

        Args:
            request: with or without an `Authorization` header.
            address: the viewer's.
            known_nonce: the nonce that was granted on the same connection before, if any; it does
                not expire.
        """
        given = parameters(request)
        algorithm = given.get("algorithm", "MD5").upper()
        nonce = given.get("nonce", "")
        if (
            algorithm not in _HASHES
            or not _covers(given.get("uri"), request.uri)
            or given.get("realm") != REALM
            or given.get("qop", "auth") != "auth"
        ):
            return Verdict.DENIED
        expected = digest_response(self._credentials, request.method, algorithm, given)
        right = _same(given.get("response", "").lower(), expected)
        right &= _same(given.get("username", ""), self._credentials.user)
        if not right or not self._ours(nonce, address):
            return Verdict.DENIED
        if nonce != known_nonce and self._age_s(nonce) > NONCE_S:
            return Verdict.STALE
        return Verdict.GRANTED

    def _nonce(self, address: str, made_ms: int) -> str:
        made = f"{made_ms:016x}"
        return made + hmac.new(self._key, f"{made} {address}".encode(), "sha256").hexdigest()[:32]

    def _ours(self, nonce: str, address: str) -> bool:
        if not re.fullmatch("[0-9a-f]{48}", nonce):
            return False
        return _same(nonce, self._nonce(address, int(nonce[:16], 16)))

    def _age_s(self, nonce: str) -> float:
        return self._now() - int(nonce[:16], 16) / 1000


def parameters(request: Request) -> dict[str, str]:
    """The parameters of a request's Digest `Authorization`; empty where there is none."""
    scheme, _, rest = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "digest":
        return {}
    found: dict[str, str] = {}
    position = 0
    while match := _PARAMETER.match(rest, position):
        name, quoted, plain = match.groups()
        found[name.lower()] = plain if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        position = match.end()
    return found


def digest_response(
    credentials: Credentials, method: str, algorithm: str, given: Mapping[str, str]
) -> str:
    """
    The right `response` (RFC 7616 section 3.4.1; RFC 2617 section 3.2.2.1 without `qop`).

    Args:
        credentials: the secret.
        method: of the request.
        algorithm: `SHA-256` or `MD5`.
        given: the answer's other parameters.
    """

    def digest(*parts: str) -> str:
        return _HASHES[algorithm](":".join(parts).encode()).hexdigest()

    secret = digest(credentials.user, given["realm"], credentials.password)
    action = digest(method, given["uri"])
    if "qop" not in given:
        return digest(secret, given.get("nonce", ""), action)
    return digest(
        secret,
        given.get("nonce", ""),
        given.get("nc", ""),
        given.get("cnonce", ""),
        given["qop"],
        action,
    )


def _covers(given: str | None, asked: str) -> bool:
    """
    Whether an answer for the URI *given* is valid for *asked*: the same path, or a parent of it.

    live555, and so VLC, answers for the whole stream's URI where it asks for one of its tracks.
    Others answer for the path alone, or with the host by which they know a server behind a router.
    Host and query do not matter: the response covers *given* as it is, and the nonce is ours.
    """
    if not given:
        return False
    whole, part = (_path(uri) for uri in (given, asked))
    return part == whole or part.startswith(whole + "/")


def _path(uri: str) -> str:
    """The path of *uri*, without what clients write in different ways."""
    return unquote(_AUTHORITY.sub("", uri, count=1).partition("?")[0]).rstrip("/")


def _same(one: str, other: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())
