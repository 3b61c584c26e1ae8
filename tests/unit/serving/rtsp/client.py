"""A hand-written RTSP client that says exactly what a test wants said."""

from __future__ import annotations

import re
import socket
import ssl
import struct
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from streamer.serving.rtsp.auth import Credentials, digest_response

TIMEOUT_S = 5


@dataclass(frozen=True)
class Answer:
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str:
        (value,) = self.all(name)
        return value

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


@dataclass(frozen=True)
class Rtp:
    payload_type: int
    marker: bool
    sequence: int
    timestamp: int
    ssrc: int
    payload: bytes

    @classmethod
    def parse(cls, data: bytes) -> Self:
        first, second, sequence, timestamp, ssrc = struct.unpack(">BBHII", data[:12])
        assert first == 0x80
        return cls(second & 0x7F, second >= 0x80, sequence, timestamp, ssrc, data[12:])


class Client:
    """One connection; `path` is what it asks for."""

    def __init__(
        self,
        address: tuple[str, int],
        path: str = "/masked",
        *,
        tls: ssl.SSLContext | None = None,
        receive_buffer: int | None = None,
        credentials: Credentials | None = None,
        algorithm: str = "SHA-256",
    ) -> None:
        self.socket = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        if receive_buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(TIMEOUT_S)
        self.socket.connect(address)
        if tls is not None:
            self.socket = tls.wrap_socket(self.socket, server_hostname=address[0])
        host = f"[{address[0]}]" if ":" in address[0] else address[0]
        self.url = f"rtsp://{host}:{address[1]}{path}"
        self.session: str | None = None
        self.frames: list[tuple[int, bytes]] = []
        """Interleaved frames that came while a response was waited for."""
        self._buffer = b""
        self._cseq = 0
        self._credentials = credentials
        self._algorithm = algorithm
        self._challenge: dict[str, str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self.socket.close()

    def ask(
        self, method: str, uri: str | None = None, body: str = "", **headers: str | None
    ) -> Answer:
        """
        Send a request and wait for its answer, to the second one where the first was a challenge.

        Header names are written with underscores.
        """
        answer = self.ask_once(method, uri, body, **headers)
        if answer.status == 401 and self._credentials is not None:
            self.learn(answer)
            answer = self.ask_once(method, uri, body, **headers)
        if method == "SETUP" and answer.status == 200:
            self.session = answer["Session"].partition(";")[0]
        return answer

    def ask_once(
        self, method: str, uri: str | None = None, body: str = "", **headers: str | None
    ) -> Answer:
        """Send a request and wait for its answer, whatever it is."""
        self.send(self.request(method, uri, body, **headers))
        return self.answer()

    def request(
        self, method: str, uri: str | None = None, body: str = "", **headers: str | None
    ) -> bytes:
        """The next request, with what is known of credentials and session."""
        uri = self.url if uri is None else uri
        self._cseq += 1
        fields = {"CSeq": str(self._cseq), "Session": self.session}
        if self._challenge is not None:
            fields["Authorization"] = self._authorization(method, uri)
        if body:
            fields["Content-Length"] = str(len(body))
        fields |= {name.replace("_", "-"): value for name, value in headers.items()}
        lines = [f"{method} {uri} RTSP/1.0"]
        lines += [f"{name}: {value}" for name, value in fields.items() if value is not None]
        return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()

    def learn(self, answer: Answer) -> None:
        """Take a challenge of the algorithm that this client knows."""
        for value in answer.all("WWW-Authenticate"):
            parameters = {
                name: quoted or plain
                for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^,\s]+))', value)
            }
            if parameters["algorithm"] == self._algorithm:
                self._challenge = parameters

    def setup(
        self, track: int = 0, transport: str = "RTP/AVP/TCP;unicast;interleaved=0-1"
    ) -> Answer:
        return self.ask("SETUP", f"{self.url}/trackID={track}", transport=transport)

    def play(self) -> Answer:
        return self.ask("PLAY")

    def watch(self) -> Self:
        """SETUP of the video and PLAY, over TCP."""
        assert self.setup().status == 200
        assert self.play().status == 200
        return self

    def receive(self, channel: int = 0) -> bytes:
        """The next interleaved frame of *channel*; others are dropped."""
        while True:
            number, payload = self.frames.pop(0) if self.frames else self._frame()
            if number == channel:
                return payload

    def packet(self, channel: int = 0) -> Rtp:
        return Rtp.parse(self.receive(channel))

    def ended(self) -> bool:
        """Reads until the server hangs up; false where it does not in time."""
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def answer(self) -> Answer:
        """The next response."""
        while True:
            if self._peek(1) == b"$":
                self.frames.append(self._frame())
                continue
            while b"\r\n\r\n" not in self._buffer:
                self._more()
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            status, *lines = head.decode().split("\r\n")
            headers = [tuple(line.split(": ", 1)) for line in lines]
            length = next((int(v) for k, v in headers if k == "Content-Length"), 0)
            return Answer(int(status.split(" ")[1]), headers, self._take(length))

    def _authorization(self, method: str, uri: str) -> str:
        assert self._credentials is not None
        assert self._challenge is not None
        given = {
            "username": self._credentials.user,
            "realm": self._challenge["realm"],
            "nonce": self._challenge["nonce"],
            "uri": uri,
            "algorithm": self._algorithm,
        }
        if "qop" in self._challenge:
            given |= {"qop": "auth", "nc": "00000001", "cnonce": "0a4f113b"}
        given["response"] = digest_response(self._credentials, method, self._algorithm, given)
        return "Digest " + ", ".join(f'{name}="{value}"' for name, value in given.items())

    def _frame(self) -> tuple[int, bytes]:
        magic, channel, length = struct.unpack(">cBH", self._take(4))
        assert magic == b"$"
        return channel, self._take(length)

    def _take(self, size: int) -> bytes:
        self._peek(size)
        data, self._buffer = self._buffer[:size], self._buffer[size:]
        return data

    def _peek(self, size: int) -> bytes:
        while len(self._buffer) < size:
            self._more()
        return self._buffer[:size]

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionResetError("the server hung up")
        self._buffer += data
