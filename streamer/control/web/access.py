"""
Who may use the web API: hosts and origins, the password, tries to guess it, and sessions.

Sees no requests. All but `Password` belongs to one thread, that of the server's event loop.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import logging
import math
import secrets
import socket
import unicodedata
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

import anyio.to_thread

from streamer.config.addresses import called_host, is_loopback
from streamer.core.clock import Clock, SystemClock

logger = logging.getLogger("streamer.control.web")

TRIES = 5
"""Wrong passwords that one client may give within a minute."""
_TRIES_OF_ALL = 30
"""Those of all clients together that have never shown the right one."""
_WINDOW_S = 60.0
_PROVEN = 64
"""Clients that are remembered to have shown the right password."""
_HASHES_AT_ONCE = 2
_LONGEST_PASSWORD = 1024
_SESSIONS = 256
_IDLE_S = 12 * 3600.0
LONGEST_S = 7 * 24 * 3600
"""Seconds after which a session ends, however much it is used."""
_PORTS = {"http": 80, "https": 443}


class Hosts:
    """
    The hosts by which browsers may call one server, and the origins of its own pages.

    Where it listens on loopback: `localhost`, `127.0.0.1`, `[::1]` and what *listen* names.
    Elsewhere also this machine's name, alone and with `.local`, and every address: DNS rebinding
    needs a name. All of these with the server's port.

    Args:
        listen: the host that the server listens on, a name or an address without brackets.
        port: the port that it has in the end.
        further: `WebConfig.hosts`; one without a port goes with every port.
        machine: this machine's name; for tests.
    """

    def __init__(
        self, listen: str, port: int, further: Sequence[str] = (), *, machine: str | None = None
    ) -> None:
        self._port = port
        self._names = {"localhost", "127.0.0.1", "::1", _plain(listen)}
        self._any_address = not is_loopback(listen)
        if self._any_address:
            name = (socket.gethostname() if machine is None else machine).lower()
            alone = name.partition(".")[0]
            self._names |= {name, alone, f"{alone}.local"}
        self._further = {called_host(host) for host in further}

    def allow(self, called: str, scheme: str) -> bool:
        """
        Whether a browser may call the server so.

        Args:
            called: `host[:port]`, as in the header Host.
            scheme: `http` or `https`, as the server speaks it.
        """
        try:
            host, port = called_host(called)
        except ValueError:
            return False
        if self._is_further(host, port):
            return True
        known = host in self._names or (self._any_address and _is_address(host))
        return known and _port(port, scheme) == self._port

    def is_own(self, origin: str, called: str, scheme: str) -> bool:
        """
        Whether *origin*, as in the header, is that of a page of the server.

        Args:
            origin: `scheme://host[:port]`, or anything else.
            called: what is allowed, and the page is called by.
            scheme: as the server speaks it. A proxy may speak TLS for it, under a further host.
        """
        theirs, _, authority = origin.partition("://")
        try:
            host, port = called_host(called)
            if theirs != scheme and not (theirs == "https" and self._is_further(host, port)):
                return False
            caller, its_port = called_host(authority)
        except ValueError:
            return False
        return (caller, _port(its_port, theirs)) == (host, _port(port, theirs))

    def _is_further(self, host: str, port: int | None) -> bool:
        ports = (None, *_PORTS.values()) if port is None else (None, port)
        return any((host, each) in self._further for each in ports)


class Password:
    """
    A password, kept as its scrypt hash. Thread-safe.

    Texts that look the same are the same: they are compared as NFC.
    """

    def __init__(self, password: str) -> None:
        self._salt = secrets.token_bytes(16)
        self._hash = self._hashed(password)

    def matches(self, guess: str) -> bool:
        """
        Whether *guess* is the password.

        Takes some 50 ms of a core and 16 MiB, so it does not belong on an event loop.
        """
        return hmac.compare_digest(self._hashed(guess), self._hash)

    def _hashed(self, password: str) -> bytes:
        return hashlib.scrypt(_encoded(password), salt=self._salt, n=1 << 14, r=8, p=1, dklen=32)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a try."""

    right: bool
    wait_s: int = 0
    """Above 0: the password was not looked at, and will not be for so many seconds."""


class Tries:
    """
    The latest tries of all clients, of which each has five a minute and strangers together have 30.

    Right passwords take none. Who has given one is a stranger no more, so a crowd that guesses
    keeps nobody out who was in before. Holds some hundred tries at most.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._taken: deque[tuple[float, str]] = deque()
        """When, and by whom; oldest first."""
        self._proven: dict[str, None] = {}
        """Who was proven longest ago comes first."""

    def __len__(self) -> int:
        return len(self._taken)

    def wait_s(self, client: str) -> int:
        """Whole seconds until *client* may try again; 0: it may now."""
        now_s = self._now_s()
        while self._taken and now_s - self._taken[0][0] >= _WINDOW_S:
            self._taken.popleft()
        own = [at_s for at_s, by in self._taken if by == client]
        strangers = [at_s for at_s, by in self._taken if by not in self._proven]
        free_s = now_s
        if len(own) >= TRIES:
            free_s = own[-TRIES] + _WINDOW_S
        if client not in self._proven and len(strangers) >= _TRIES_OF_ALL:
            free_s = max(free_s, strangers[-_TRIES_OF_ALL] + _WINDOW_S)
        return math.ceil(free_s - now_s)

    def take(self, client: str) -> None:
        """Count a try of *client*, before it is known whether its password is right."""
        self._taken.append((self._now_s(), client))

    def prove(self, client: str) -> None:
        """Give *client* its latest try back: its password was right."""
        for number in range(len(self._taken) - 1, -1, -1):
            if self._taken[number][1] == client:
                del self._taken[number]
                break
        self._proven.pop(client, None)
        self._proven[client] = None
        if len(self._proven) > _PROVEN:
            del self._proven[next(iter(self._proven))]

    def _now_s(self) -> float:
        return self._clock.now_ns() / 1e9


@dataclass(frozen=True, slots=True, eq=False)
class Session:
    """Leave to use the API."""

    csrf: str | None = field(default=None, repr=False)
    """What a browser has to show with each request that changes something. None: a program's, which
    shows the password each time."""
    digest: bytes | None = field(default=None, repr=False)
    """Of the token in the browser's cookie."""


PROGRAM = Session()
"""The session of every program."""


@dataclass(slots=True)
class _Kept:
    session: Session
    opened_s: float
    used_s: float


class Sessions:
    """
    The sessions of browsers, at most 256; one more ends the one that was idle for longest.

    A session ends after 12 hours without use, after 7 days, and with the process.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[bytes, _Kept] = {}
        """By digest; the one that was idle for longest comes first."""

    def __len__(self) -> int:
        return len(self._kept)

    def open(self) -> tuple[str, Session]:
        """A new session, and the token for its cookie, which is kept nowhere else."""
        token = secrets.token_urlsafe(32)
        digest = _digest(token)
        session = Session(secrets.token_urlsafe(32), digest)
        now_s = self._now_s()
        for other, kept in list(self._kept.items()):
            if _is_over(kept, now_s):
                del self._kept[other]
        if len(self._kept) >= _SESSIONS:
            del self._kept[next(iter(self._kept))]
        self._kept[digest] = _Kept(session, now_s, now_s)
        return token, session

    def find(self, token: str) -> Session | None:
        """The open session of *token*, which counts as used; None: there is none."""
        return self._used(_digest(token))

    def holds(self, session: Session) -> bool:
        """
        Whether *session* is still open; if so, it counts as used.

        For answers that last, such as live pictures: a logout has to end them too.
        """
        return session.digest is None or self._used(session.digest) is session

    def close(self, session: Session) -> None:
        """End *session*; it may have ended."""
        if session.digest is not None:
            self._kept.pop(session.digest, None)

    def _used(self, digest: bytes) -> Session | None:
        kept = self._kept.pop(digest, None)
        now_s = self._now_s()
        if kept is None or _is_over(kept, now_s):
            return None
        kept.used_s = now_s
        self._kept[digest] = kept
        return kept.session

    def _now_s(self) -> float:
        return self._clock.now_ns() / 1e9


class Access:
    """
    The one password, if there is one, and the sessions that it opens.

    Args:
        password: kept as its hash only. None: everybody is let in.
        clock: for tests.
    """

    def __init__(self, password: str | None, *, clock: Clock | None = None) -> None:
        clock = clock or SystemClock()
        self._password = None if password is None else Password(password)
        self._tries = Tries(clock)
        self._hashing = anyio.CapacityLimiter(_HASHES_AT_ONCE)
        self._key = secrets.token_bytes(32)
        self._shown: bytes | None = None
        """The right password's digest under our key, once a client has shown it: programs show it
        with each request, and scrypt would take too long."""
        self.sessions = Sessions(clock)

    @property
    def required(self) -> bool:
        """Whether there is a password."""
        return self._password is not None

    async def check(self, client: str, password: str) -> Verdict:
        """
        Judge the password that *client* gives.

        Who has given five wrong ones within a minute is not judged until that is over, so not even
        the right one tells a guesser anything.

        Args:
            client: as `client_of` has it.
            password: what was given, of any length.
        """
        if self._password is None:
            return Verdict(right=True)
        if (wait_s := self._tries.wait_s(client)) > 0:
            return Verdict(right=False, wait_s=wait_s)
        if len(password) <= _LONGEST_PASSWORD and self._was_shown(password):
            return Verdict(right=True)
        self._tries.take(client)  # before the hash: others of this client are on their way
        if len(password) <= _LONGEST_PASSWORD and await anyio.to_thread.run_sync(
            self._password.matches, password, limiter=self._hashing
        ):
            self._shown = self._keyed(password)
            self._tries.prove(client)
            return Verdict(right=True)
        logger.warning("%s: wrong password", client)
        return Verdict(right=False)

    def _was_shown(self, password: str) -> bool:
        return self._shown is not None and hmac.compare_digest(self._keyed(password), self._shown)

    def _keyed(self, password: str) -> bytes:
        return hmac.digest(self._key, _encoded(password), "sha256")


def client_of(host: str) -> str:
    """
    Who counts as one client: an IPv4 address, or the 2**64 IPv6 addresses that one customer has.

    Args:
        host: the other end of a connection; something that is no address counts as one client.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return "unknown"
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    if address.is_loopback:
        return str(address)
    return f"{ipaddress.IPv6Address(int(address) >> 64 << 64)}/64"


def _is_over(kept: _Kept, now_s: float) -> bool:
    return now_s - kept.used_s >= _IDLE_S or now_s - kept.opened_s >= LONGEST_S


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def _encoded(password: str) -> bytes:
    # Lone surrogates, which JSON can write, are no UTF-8.
    return unicodedata.normalize("NFC", password).encode(errors="surrogatepass")


def _port(port: int | None, scheme: str) -> int | None:
    """*port*, or the usual one of *scheme*."""
    return _PORTS.get(scheme) if port is None else port


def _plain(host: str) -> str:
    """*host* as `called_host` has it."""
    try:
        return called_host(f"[{host}]" if ":" in host else host)[0]
    except ValueError:  # of another script, or with a zone: browsers call it by its address
        return host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
