"""
What each request means: the methods of RFC 2326 for a server that plays live streams.

    OPTIONS        free of credentials; a keep-alive
    DESCRIBE       the mount's SDP
    SETUP          one track of it, over UDP or the connection itself
    PLAY, PAUSE    all tracks of a session
    GET_PARAMETER, SET_PARAMETER   keep-alives; there are no parameters
    TEARDOWN       the end of a session
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from streamer.serving.rtsp.auth import Verdict, parameters
from streamer.serving.rtsp.carriers import (
    InterleavedCarrier,
    TransportOffer,
    UdpCarrier,
    choose_transport,
)
from streamer.serving.rtsp.directory import Directory, Peer
from streamer.serving.rtsp.guesses import HOLD_S
from streamer.serving.rtsp.messages import Request, response
from streamer.serving.rtsp.mount import Mount
from streamer.serving.rtsp.places import Place, locate
from streamer.serving.rtsp.sdp import TRACK
from streamer.serving.rtsp.session import Session

PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER, TEARDOWN"
_RETRY_AFTER_S = "1"
_FOREIGN = ("ANNOUNCE", "RECORD", "REDIRECT")

Headers = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A response without its sequence number."""

    status: int = 200
    headers: Headers = field(default_factory=list)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response."""

    status: int
    data: bytes
    hold_s: float
    """Seconds to hold back this response and everything after it."""


class Refusal(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, headers: Headers | None = None) -> None:
        super().__init__(status)
        self.reply = Reply(status, headers or [])


class Dialogue:
    """
    Answers one connection's requests.

    Args:
        connection: where they come from.
        directory: the server's tables.
    """

    def __init__(self, connection: Peer, directory: Directory) -> None:
        self._connection = connection
        self._directory = directory
        self._nonce: str | None = None
        self._methods: dict[str, Callable[[Request], Reply]] = {
            "OPTIONS": self._options,
            "DESCRIBE": self._describe,
            "SETUP": self._setup,
            "PLAY": self._play,
            "PAUSE": self._pause,
            "GET_PARAMETER": self._parameter,
            "SET_PARAMETER": self._parameter,
            "TEARDOWN": self._teardown,
        }

    @property
    def granted(self) -> bool:
        """Whether the right password was shown."""
        return self._nonce is not None

    def answer(self, request: Request) -> Answer:
        """What to say to *request*, and when."""
        hold_s = self._hold_s(request)
        try:
            reply = self._handle(request)
        except Refusal as refusal:
            reply = refusal.reply
        data = response(reply.status, request.cseq, reply.headers, reply.body)
        return Answer(reply.status, data, hold_s)

    def _hold_s(self, request: Request) -> float:
        """Suspects wait for a grant too: otherwise, no answer at once would mean a refusal."""
        tries = "authorization" in request.headers and not self.granted
        suspect = tries and self._directory.guesses.suspects(self._connection.address)
        return HOLD_S if suspect else 0.0

    def _handle(self, request: Request) -> Reply:
        if request.cseq is None:
            raise Refusal(400)
        method = self._methods.get(request.method)
        if method is None:
            allow = [("Allow", PUBLIC)]
            raise Refusal(405, allow) if request.method in _FOREIGN else Refusal(501, allow)
        if request.method != "OPTIONS":
            self._authorise(request)
        if "require" in request.headers:
            raise Refusal(551, [("Unsupported", request.headers["require"])])
        return method(request)

    def _authorise(self, request: Request) -> None:
        guard = self._directory.guard
        if guard is None:
            return
        address = self._connection.address
        verdict = guard.check(request, address, self._nonce)
        if verdict is Verdict.GRANTED:
            self._nonce = parameters(request)["nonce"]
            return
        # A request without credentials is no guess: that is how every player gets its challenge.
        if verdict is Verdict.DENIED and "authorization" in request.headers:
            self._directory.guesses.add(address)
        challenges = guard.challenges(address, stale=verdict is Verdict.STALE)
        raise Refusal(401, [("WWW-Authenticate", challenge) for challenge in challenges])

    def _options(self, request: Request) -> Reply:
        if "session" in request.headers:
            self._session(request)
        return Reply(headers=[("Public", PUBLIC)])

    def _describe(self, request: Request) -> Reply:
        place, mount = self._mount(request)
        return Reply(
            headers=[("Content-Type", "application/sdp"), ("Content-Base", place.base + "/")],
            body=mount.description(self._connection.local),
        )

    def _setup(self, request: Request) -> Reply:
        place, mount = self._mount(request)
        track = place.track
        if track is None:
            if len(mount.tracks) > 1:
                raise Refusal(459)
            track = mount.tracks[0]
        if track not in mount.tracks:
            raise Refusal(404)
        offer = choose_transport(
            request.headers.get("transport", ""), udp=not self._connection.encrypted
        )
        if offer is None:
            raise Refusal(461)
        session = self._session(request) if "session" in request.headers else None
        if session is not None:
            if session.playing:
                raise Refusal(455)
            if session.mount is not mount:
                raise Refusal(459)
            if session.carrier is not None and offer.interleaved != (session.carrier.name == "TCP"):
                raise Refusal(461)
            transport = self._carry(session, track, offer)
        else:
            if len(self._connection.sessions) >= self._directory.limits.sessions_per_connection:
                raise Refusal(453)
            session = self._connection.open_session(mount)
            try:
                transport = self._carry(session, track, offer)
            except Refusal:
                session.end("refused")
                raise
        timeout = max(1, round(self._directory.limits.session_timeout_s))
        return Reply(
            headers=[
                ("Session", f"{session.identity};timeout={timeout}"),
                ("Transport", transport),
            ]
        )

    def _carry(self, session: Session, track: int, offer: TransportOffer) -> str:
        """Set up the carrier of *track*; return the `Transport` header that describes it."""
        if offer.interleaved:
            carrier = session.carrier or InterleavedCarrier(self._connection)
            assert isinstance(carrier, InterleavedCarrier)  # noqa: S101 - checked by _setup
            session.carrier = carrier
            channels = self._free_channels(offer.pair)
            carrier.add(track, channels)
            way = f"interleaved={channels[0]}-{channels[1]}"
        else:
            assert offer.pair is not None  # noqa: S101 - choose_transport demands it
            udp = session.carrier or UdpCarrier(
                self._connection.local,
                self._connection.address,
                on_room=session.has_room,
                on_life=session.touch,
                on_refused=lambda: self._refused(session),
            )
            assert isinstance(udp, UdpCarrier)  # noqa: S101 - checked by _setup
            session.carrier = udp
            if not self._directory.has_udp_sockets():
                raise Refusal(461)
            try:
                rtp, rtcp = udp.add(track, offer.pair)
            except OSError:
                raise Refusal(461) from None
            way = f"client_port={offer.pair[0]}-{offer.pair[1]};server_port={rtp}-{rtcp}"
        ssrc = session.add(track)
        return f"{offer.protocol};unicast;{way};ssrc={ssrc:08X}"

    def _free_channels(self, wanted: tuple[int, int] | None) -> tuple[int, int]:
        """The channels that the viewer wants, or free ones if another track has these."""
        used: set[int] = set()
        for session in self._connection.sessions:
            if isinstance(session.carrier, InterleavedCarrier):
                used |= session.carrier.channels
        if wanted is not None and not used & set(wanted):
            return wanted
        for first in range(0, 256, 2):
            if not used & {first, first + 1}:
                return first, first + 1
        raise Refusal(461)

    def _refused(self, session: Session) -> None:
        """Nobody listens at its ports: end *session*, unless its connection is still open."""
        if self._directory.owner(session) is None:
            session.end("its ports are closed")

    def _play(self, request: Request) -> Reply:
        place, session = self._aggregate(request)
        info = ",".join(
            f"url={place.base}/{TRACK}{track};seq={sequence};rtptime={time}"
            for track, sequence, time in session.play()
        )
        headers = [("Session", session.identity), ("Range", "npt=now-")]
        return Reply(headers=[*headers, ("RTP-Info", info)] if info else headers)

    def _pause(self, request: Request) -> Reply:
        if self._is_over(request):
            return Reply()
        _, session = self._aggregate(request)
        if not session.playing:
            raise Refusal(455)
        session.pause()
        return Reply(headers=[("Session", session.identity)])

    def _teardown(self, request: Request) -> Reply:
        if self._is_over(request):
            return Reply()
        _, session = self._aggregate(request)
        session.end("teardown")
        return Reply()

    def _is_over(self, request: Request) -> bool:
        """Whether we ended its session: players would report a refusal as a failed stream."""
        return _identity(request) in self._connection.parted

    def _parameter(self, request: Request) -> Reply:
        headers: Headers = []
        if "session" in request.headers:
            headers.append(("Session", self._session(request).identity))
        if request.body.strip():
            raise Refusal(451)
        return Reply(headers=headers)

    def _mount(self, request: Request) -> tuple[Place, Mount]:
        place = locate(request.uri, self._connection.local_host)
        if place is None:
            raise Refusal(400)
        mount = self._directory.mounts.get(place.path)
        if mount is None:
            raise Refusal(404)
        if not mount.begun:
            raise Refusal(503, [("Retry-After", _RETRY_AFTER_S)])
        return place, mount

    def _session(self, request: Request) -> Session:
        """The session that *request* names; the request counts as its sign of life."""
        session = self._directory.sessions.get(_identity(request))
        if session is None or session.address != self._connection.address:
            raise Refusal(454)
        if session not in self._connection.sessions:
            if self._directory.owner(session) is not None:
                raise Refusal(454)
            self._connection.sessions.add(session)  # its own connection was lost
        session.touch()
        return session

    def _aggregate(self, request: Request) -> tuple[Place, Session]:
        """The session that *request* names, and the place: the mount, or the only track set up."""
        session = self._session(request)
        place, mount = self._mount(request)
        if mount is not session.mount:
            raise Refusal(454)
        if place.track is not None:
            if place.track not in session.tracks:
                raise Refusal(404)
            if len(session.tracks) > 1:
                raise Refusal(460)
        return place, session


def _identity(request: Request) -> str:
    """The session that *request* names; empty where it names none."""
    return request.headers.get("session", "").partition(";")[0].strip()
