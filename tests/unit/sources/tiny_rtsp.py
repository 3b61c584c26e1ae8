"""
An RTSP server for one viewer at a time: answers DESCRIBE, SETUP and PLAY, then sends a clip's
RTP packets over the same TCP connection, as fast as they come or each at its time; then it hangs
up, or falls mute. Asked for UDP, it agrees and sends nothing.
"""

from __future__ import annotations

import base64
import itertools
import socket
import threading
import time
from pathlib import Path

import av

from streamer.packets import split_annex_b

# Its name is in Latin-1, as some cameras write theirs.
_SDP = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=T\xfcr\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1{sets}\r\n"
    "a=control:track0\r\n"
)
_SOUND = "m=audio 0 RTP/AVP 0\r\na=control:track1\r\n"
_SILENCE_S = 0.02
"""What one packet of sound lasts."""


def parameter_sets(clip: Path) -> str:
    """The clip's H.264 parameter sets as a description has them."""
    with av.open(str(clip)) as read:
        packet = next(read.demux(video=0))
        units = [bytes(unit) for unit in split_annex_b(bytes(packet))]
    sets = [base64.b64encode(unit).decode() for unit in units if unit[0] & 0x1F in (7, 8)]
    return ",".join(sets)


def rtp_packets(clip: Path) -> list[bytes]:
    """The clip as RTP packets, made by FFmpeg's own packetiser."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.setblocking(False)
        packets: list[bytes] = []

        def drain() -> None:
            while True:
                try:
                    packets.append(receiver.recv(65536))
                except BlockingIOError:
                    return

        port = receiver.getsockname()[1]
        url = f"rtp://127.0.0.1:{port}?rtcpport={port}&pkt_size=1200"
        with av.open(str(clip)) as read, av.open(url, "w", format="rtp") as write:
            stream = write.add_stream_from_template(read.streams.video[0])
            for packet in read.demux(video=0):
                if packet.size:
                    packet.stream = stream
                    write.mux(packet)
                    drain()
        drain()
    return [p for p in packets if p[1] & 0x7F == 96]


class TinyRtsp:
    """
    Serves *packets*; *hangs_up* after them, or stays mute until `close`.

    Args:
        packets: of RTP.
        hangs_up: whether the connection ends with them.
        paced: send each at its own time.
        sets: parameter sets for the description.
        sound: send silence beside them, and on when they have ended, until `close`.
    """

    def __init__(
        self,
        packets: list[bytes],
        *,
        hangs_up: bool,
        paced: bool = False,
        sets: str = "",
        sound: bool = False,
    ) -> None:
        self._packets = packets
        self._hangs_up = hangs_up
        self._paced = paced
        self._sound = sound
        self._sdp = _SDP.format(sets=f";sprop-parameter-sets={sets}" if sets else "")
        self._sdp += _SOUND * sound
        self.viewers = 0
        """Connections so far."""
        self._server = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()
        self.url = f"rtsp://me:s3cret@127.0.0.1:{self._server.getsockname()[1]}/clip"

    def close(self) -> None:
        self._closing.set()
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)

    def _serve(self) -> None:
        while not self._closing.is_set():
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            self.viewers += 1
            try:
                self._talk(peer)
            except OSError:
                continue

    def _talk(self, peer: socket.socket) -> None:
        with peer:
            asked = b""
            while not self._closing.is_set():
                data = peer.recv(4096)
                if not data:
                    return
                asked += data
                while b"\r\n\r\n" in asked:
                    request, asked = asked.split(b"\r\n\r\n", 1)
                    if self._answer(peer, request.decode()):
                        return

    def _answer(self, peer: socket.socket, request: str) -> bool:
        """Answer one request; true when the viewer is done with."""
        method = request.split(" ", 1)[0]
        lines = request.split("\r\n")
        reply = ["RTSP/1.0 200 OK", next(line for line in lines if line.startswith("CSeq"))]
        body = ""
        if method == "OPTIONS":
            reply.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
        elif method == "DESCRIBE":
            body = self._sdp
            reply += ["Content-Type: application/sdp", f"Content-Length: {len(body)}"]
        else:
            reply.append("Session: 1")
        if method == "SETUP":
            asked = next(line for line in lines if line.startswith("Transport"))
            udp = "client_port" in asked
            reply.append(f"{asked};server_port=9-10" if udp else asked)
        peer.sendall(("\r\n".join(reply) + "\r\n\r\n" + body).encode("latin-1"))
        if method == "TEARDOWN":
            return True
        if method != "PLAY":
            return False
        self._send(peer)
        if not self._hangs_up:
            self._closing.wait(20)
        return True

    def _send(self, peer: socket.socket) -> None:
        begun = time.monotonic()
        heard = itertools.count()

        def send_sound(until_s: float) -> None:
            while self._sound and self._said * _SILENCE_S < until_s:
                number = next(heard)
                self._said = number + 1
                head = b"\x80\0" + (number & 0xFFFF).to_bytes(2, "big")
                packet = head + (160 * number).to_bytes(4, "big") + b"1234" + b"\xff" * 160
                peer.sendall(b"$\2" + len(packet).to_bytes(2, "big") + packet)

        self._said = 0
        first = _time_of(self._packets[0]) if self._packets else 0.0
        for packet in self._packets:
            due_s = _time_of(packet) - first
            while self._paced and (left_s := begun + due_s - time.monotonic()) > 0:
                if self._closing.wait(min(left_s, _SILENCE_S)):
                    return
                send_sound(time.monotonic() - begun)
            peer.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
        while self._sound and not self._closing.wait(_SILENCE_S):
            send_sound(time.monotonic() - begun)


def _time_of(packet: bytes) -> float:
    """Seconds of an RTP packet's timestamp."""
    return int.from_bytes(packet[4:8], "big") / 90_000
