from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from streamer.errors import SinkError
from streamer.packets import AudioPacket, AudioTrack, VideoPacket, VideoTrack
from streamer.serving.publishing.outbox import Outbox
from streamer.serving.publishing.publisher import Publisher
from streamer.serving.publishing.target import parse_target
from streamer.serving.publishing.wire import (
    AUDIO,
    HEADER,
    VIDEO,
    Hello,
    pack_hello,
    parse_event,
    parse_hello,
)
from tests.waiting import wait_for

PATIENCE_S = 10
SETS = (
    bytes.fromhex("6742c00dda0507e840000003004000000ca3c50aa8"),
    bytes.fromhex("68ce0fc8"),
)
TRACK = VideoTrack("h264", 320, 240, Fraction(25), Fraction(1, 90_000), SETS)
SOUND = AudioTrack("aac", 48_000, 2, Fraction(1, 48_000), b"\x11\x90")


def picture(number: int, *, key: bool = False, size: int = 100) -> VideoPacket:
    start = b"\0\0\0\1\x65" if key else b"\0\0\0\1\x41"
    return VideoPacket(start.ljust(size, b"\x55"), 900_000 + number * 3600, key, 0)


def noise(pts: int) -> AudioPacket:
    return AudioPacket(b"\x21" * 10, pts)


def children(of: int | str = "self") -> dict[int, str]:
    """The publishing processes that *of* started, and their command lines."""
    found = {}
    for task in Path(f"/proc/{of}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # threads and processes come and go
            for pid in (task / "children").read_text().split():
                line = Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
                if "child" in line:
                    found[int(pid)] = line
    return found


def gone(pid: int) -> bool:
    """No such process, or a dead one that nobody has buried yet."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return True


@contextmanager
def mute_server() -> Iterator[int]:
    """Accepts connections and never says anything; yields its port."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


def taken(outbox: Outbox) -> list[tuple[int, int]]:
    """The kind and time of all that waits."""
    found = []
    while (message := outbox.take()) is not None:
        kind, _, pts, _ = HEADER.unpack_from(message)
        found.append((kind, pts))
    return found


def test_the_first_message_arrives_as_it_was_sent():
    hello = Hello("rtsp://joe:s3cret@host/a", "rtsp", {"a": "b"}, TRACK, SOUND)
    message = pack_hello(hello)
    assert parse_hello(message[HEADER.size :]) == hello
    silent = Hello("u", "flv", {}, VideoTrack("hevc", 2, 2, None, Fraction(1, 3), ()), None)
    assert parse_hello(pack_hello(silent)[HEADER.size :]) == silent
    assert "s3cret" not in repr(hello)


@pytest.mark.parametrize("line", [b"hello", b"[1]", b'{"event": 1}', b"\xff"])
def test_a_line_that_is_no_event_is_refused(line):
    with pytest.raises(ValueError):
        parse_event(line)


def test_an_outbox_begins_at_a_key_frame_which_is_time_zero_for_both_tracks():
    outbox = Outbox(TRACK, SOUND, 10, 10_000)
    outbox.put(picture(0, key=True))
    assert taken(outbox) == []  # shut
    outbox.open()
    assert outbox.take_key_request()
    assert not outbox.take_key_request()
    for packet in (
        picture(1),
        noise(480_000),
        picture(2, key=True),
        noise(483_839),
        noise(483_900),
    ):
        outbox.put(packet)
    # The key frame is at 10.08 s, where sound counts 483 840.
    assert taken(outbox) == [(VIDEO, 0), (AUDIO, 60)]
    assert outbox.dropped == 4


def test_a_full_outbox_gives_up_everything_and_asks_for_a_key_frame():
    outbox = Outbox(TRACK, SOUND, 3, 10_000)
    outbox.open()
    for packet in (picture(0, key=True), picture(1), picture(2)):
        outbox.put(packet)
    assert not outbox.take_key_request()
    outbox.put(picture(3))
    assert outbox.take_key_request()
    assert (len(outbox), outbox.dropped) == (0, 4)
    outbox.put(picture(4))
    outbox.put(picture(5, key=True))
    assert taken(outbox) == [(VIDEO, 0)]
    assert outbox.dropped == 5


def test_an_outbox_is_bounded_in_bytes_too():
    outbox = Outbox(TRACK, None, 100, 250)
    outbox.open()
    for number in range(3):
        outbox.put(picture(number, key=True))
    assert len(outbox) == 1
    assert outbox.dropped == 2


def test_sound_goes_on_while_a_key_frame_is_waited_for():
    outbox = Outbox(TRACK, SOUND, 2, 10_000)
    outbox.open()
    outbox.put(picture(0, key=True))
    assert taken(outbox) == [(VIDEO, 0)]
    for packet in (picture(1), picture(2), picture(3), noise(490_000)):
        outbox.put(packet)
    assert taken(outbox) == [(AUDIO, 10_000)]


def test_the_child_is_light():
    code = "import sys, streamer.serving.publishing.child; print(*sys.modules)"
    command = [sys.executable, "-c", code]
    modules = set(subprocess.run(command, check=True, capture_output=True).stdout.decode().split())
    assert "av" in modules
    assert not modules & {"cv2", "numpy", "onnxruntime", "pydantic", "huggingface_hub"}


class MovedClock:
    """Monotonic time that a test moves."""

    def __init__(self) -> None:
        self.ns = 0

    def now_ns(self) -> int:
        return self.ns

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(timeout_s)


@contextmanager
def heartbeat() -> Iterator[list[float]]:
    """A thread that beats; in the end the list has the longest gap in seconds."""
    gaps: list[float] = []
    done = threading.Event()

    def beat() -> None:
        last, longest = time.monotonic(), 0.0
        while not done.wait(0.01):
            now = time.monotonic()
            longest, last = max(longest, now - last), now
        gaps.append(longest)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield gaps
    finally:
        done.set()
        thread.join()


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp", "whip+http"])
def test_a_mute_server_holds_nobody_up_and_is_tried_again(scheme, caplog):
    caplog.set_level("DEBUG")
    descriptors = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only counted
    with mute_server() as port, heartbeat() as gaps:
        url = f"{scheme}://joe:s3cret@127.0.0.1:{port}/live/key"
        publisher = Publisher(parse_target(url), TRACK, stall_s=0.3, first_s=0.05, max_s=0.05)
        publisher.start()
        wait_for(children)
        assert "s3cret" not in str(children())
        slowest = 0.0
        for number in range(10_000):
            if publisher.statistics()["restarts"] >= 2:
                break
            began = time.monotonic()
            publisher.send_video(picture(number, key=number % 20 == 0))
            slowest = max(slowest, time.monotonic() - began)
            time.sleep(0.001)
        statistics = publisher.statistics()
        began = time.monotonic()
        publisher.close(1.0)
        assert time.monotonic() - began < 5
    assert gaps[0] < 5
    assert slowest < 5
    assert statistics["state"] == "connecting"
    assert "no answer within 0.3 s" in str(statistics["last_error"])
    assert publisher.statistics()["drops"] == number
    assert children() == {}
    assert len(os.listdir("/proc/self/fd")) == descriptors  # noqa: PTH208
    for text in (caplog.text, repr(publisher), str(statistics)):
        assert "s3cret" not in text
        assert "joe" not in text


class HangingServer:
    """Takes an RTSP stream up to its first packets, then reads no more and answers nothing."""

    def __init__(self) -> None:
        self._server = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._server.getsockname()[1]}/live"
        self._stop, self._stopped = socket.socketpair()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def close(self) -> None:
        self._stop.close()
        self._thread.join()
        self._server.close()
        self._stopped.close()

    def _serve(self) -> None:
        peers = []
        while True:
            ready, _, _ = select.select([self._server, self._stopped], [], [])
            if self._stopped in ready:
                break
            peers.append(self._server.accept()[0])
            peers[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            self._answer(peers[-1])
        for peer in peers:
            peer.close()

    def _answer(self, peer: socket.socket) -> None:
        with peer.makefile("rb") as requests:
            while True:
                method = requests.readline().split(b" ")[0]
                fields = {}
                while line := requests.readline().strip():
                    name, _, value = line.partition(b":")
                    fields[name.lower()] = value.strip()
                requests.read(int(fields.get(b"content-length", 0)))
                answer = b"RTSP/1.0 200 OK\r\nCSeq: " + fields[b"cseq"] + b"\r\nSession: 1\r\n"
                if method == b"SETUP":
                    answer += b"Transport: RTP/AVP/TCP;unicast;interleaved=0-1\r\n"
                peer.sendall(answer + b"\r\n")
                if method == b"RECORD":
                    return


def test_a_server_that_hangs_in_midstream_is_left_and_every_packet_is_accounted_for():
    server = HangingServer()
    publisher = Publisher(parse_target(server.url), TRACK, stall_s=1, first_s=30, queue_packets=20)
    given = 0
    try:
        with heartbeat() as gaps:
            publisher.start()
            wait_for(lambda: publisher.statistics()["state"] == "live")
            while publisher.statistics()["state"] == "live":
                publisher.send_video(picture(given, key=given % 10 == 0, size=8_000))
                given += 1
                time.sleep(0.002)
            statistics = publisher.statistics()
            publisher.close()
    finally:
        server.close()
    assert gaps[0] < 5
    assert statistics["state"] == "reconnecting"
    assert "took no data for 1 s" in str(statistics["last_error"])
    ended = publisher.statistics()
    assert 0 < ended["packets"] < given
    assert ended["packets"] + ended["drops"] == given
    assert children() == {}


def test_close_ends_a_stream_that_hangs_in_time():
    server = HangingServer()
    publisher = Publisher(parse_target(server.url), TRACK, stall_s=60)
    try:
        publisher.start()
        wait_for(lambda: publisher.statistics()["state"] == "live")
        for number in range(100):
            publisher.send_video(picture(number, key=number == 0, size=60_000))
        began = time.monotonic()
        publisher.close(1.0)
        assert time.monotonic() - began < 4
    finally:
        server.close()
    assert publisher.statistics()["packets"] + publisher.statistics()["drops"] == 100
    assert children() == {}


def test_a_server_is_tried_again_when_the_clock_says_so():
    clock = MovedClock()
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    publisher = Publisher(
        parse_target(f"rtsp://127.0.0.1:{port}/a"),
        TRACK,
        first_s=60,
        clock=clock,
        random=lambda: 0.5,
    )
    publisher.start()
    try:
        wait_for(lambda: publisher.statistics()["last_error"])
        assert publisher.statistics()["last_error"] == (
            f"rtsp://127.0.0.1:{port}/a: connection refused: is the server up, and the port right?"
        )
        assert publisher.statistics()["restarts"] == 0

        def tried_again_in_a_minute() -> bool:
            clock.ns += 61 * 10**9
            return publisher.statistics()["restarts"] >= 1

        wait_for(tried_again_in_a_minute)
    finally:
        publisher.close()


def test_a_child_that_is_killed_is_started_anew():
    with mute_server() as port:
        publisher = Publisher(
            parse_target(f"rtsp://127.0.0.1:{port}/a"), TRACK, stall_s=60, first_s=0.05
        )
        publisher.start()
        try:
            wait_for(children)
            (pid,) = children()
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: publisher.statistics()["restarts"] == 1)
            assert "process ended (-9)" in str(publisher.statistics()["last_error"])
        finally:
            publisher.close()


def test_a_child_that_dies_in_its_cradle_leaves_its_last_words(tmp_path, monkeypatch):
    (tmp_path / "av.py").write_text("raise ImportError('no codecs for joe and s3cret')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    publisher = Publisher(parse_target("rtsp://joe:s3cret@127.0.0.1:9/a"), TRACK, first_s=60)
    publisher.start()
    try:
        wait_for(lambda: publisher.statistics()["last_error"])
    finally:
        publisher.close()
    assert publisher.statistics()["last_error"] == (
        "rtsp://127.0.0.1:9/a: the publishing process ended (1): "
        "ImportError: no codecs for *** and ***"
    )


def test_ctrl_c_in_the_terminal_is_not_for_the_child():
    with mute_server() as port:
        publisher = Publisher(parse_target(f"rtsp://127.0.0.1:{port}/a"), TRACK, stall_s=60)
        publisher.start()
        try:
            wait_for(children)
            (pid,) = children()
            assert os.getpgid(pid) == pid != os.getpgid(0)
        finally:
            publisher.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends it on Linux only")
def test_the_child_dies_with_its_parent_though_it_hangs():
    code = (
        "import sys, time; from tests.unit.serving.publishing.test_publisher import *\n"
        "Publisher(parse_target(sys.argv[1]), TRACK, stall_s=60).start(); print('up', flush=True)\n"
        "time.sleep(60)"
    )
    with mute_server_that_tells() as (port, connected):
        parent = subprocess.Popen(
            [sys.executable, "-c", code, f"rtsp://127.0.0.1:{port}/a"], stdout=subprocess.PIPE
        )
        with parent:
            try:
                assert connected.wait(PATIENCE_S)
                (pid,) = children(parent.pid)
            finally:
                parent.kill()
        wait_for(lambda: gone(pid))


@contextmanager
def mute_server_that_tells() -> Iterator[tuple[int, threading.Event]]:
    """A mute server, and the event of its first connection."""
    connected = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(PATIENCE_S)
        peers = []

        def accept() -> None:
            peers.append(server.accept()[0])
            connected.set()

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield server.getsockname()[1], connected
        finally:
            thread.join()
            for peer in peers:
                peer.close()


@pytest.mark.parametrize(
    ("scheme", "codec", "said"),
    [
        ("rtsp", "vorbis", "rtsp has no vorbis"),
        ("rtmp", "pcm_mulaw", "flv has no pcm_mulaw"),
        ("whip+http", "aac", "whip has no aac"),
    ],
)
def test_what_can_never_be_sent_is_said_to_the_sender(scheme, codec, said, caplog):
    sound = AudioTrack(codec, 48_000, 2, Fraction(1, 48_000))
    publisher = Publisher(parse_target(f"{scheme}://joe:s3cret@127.0.0.1:9/a"), TRACK, sound)
    publisher.start()
    try:
        wait_for(lambda: publisher.statistics()["state"] == "ended")
        with pytest.raises(SinkError, match=f"cannot carry this track: {said}"):
            publisher.send_video(picture(0, key=True))
        assert publisher.statistics()["restarts"] == 0
    finally:
        publisher.close()
    assert "s3cret" not in caplog.text


def test_what_went_wrong_in_the_child_by_accident_is_tried_again():
    broken = AudioTrack("aac", 48_000, -1, Fraction(1, 48_000))
    target = parse_target("rtsp://127.0.0.1:9/a")
    publisher = Publisher(target, TRACK, broken, first_s=0.05, max_s=0.05)
    publisher.start()
    try:
        wait_for(lambda: publisher.statistics()["restarts"] >= 1)
        publisher.send_video(picture(0, key=True))
    finally:
        publisher.close()
    assert "cannot be published to: OverflowError: " in str(publisher.statistics()["last_error"])


class WhipServer(BaseHTTPRequestHandler):
    """Answers every offer with the status that its path ends with."""

    offers: ClassVar[list[tuple[str, str]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.offers.append((self.headers["Content-Type"], body))
        self.send_response(int(self.path.partition("?")[0].rpartition("/")[2]))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.mark.parametrize(
    ("status", "said"),
    [(401, "401 unauthorized"), (403, "403 forbidden"), (404, "404 not found"), (500, "refused")],
)
def test_a_whip_server_is_offered_the_stream_and_its_no_is_told(status, said, caplog):
    caplog.set_level("DEBUG")
    WhipServer.offers.clear()
    with HTTPServer(("127.0.0.1", 0), WhipServer) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        place = f"127.0.0.1:{server.server_port}/{status}"
        url = f"whip+http://joe:s3cret@{place}?jwt=t0%2Fken&t0%2fken=t0+ken"
        publisher = Publisher(parse_target(url), TRACK, first_s=60)
        publisher.start()
        try:
            wait_for(lambda: publisher.statistics()["last_error"])
        finally:
            publisher.close()
            server.shutdown()
            thread.join()
    kind, offer = WhipServer.offers[0]
    assert kind == "application/sdp"
    assert "H264/90000" in offer
    assert said in str(publisher.statistics()["last_error"])
    for secret in ("s3cret", "t0"):
        assert secret not in str(publisher.statistics()) + caplog.text
    assert "ice-pwd" not in caplog.text


@pytest.mark.parametrize(("scheme", "warned"), [("rtmps", True), ("rtsps", False)])
def test_a_certificate_that_is_not_verified_is_warned_of(scheme, warned, caplog):
    publisher = Publisher(parse_target(f"{scheme}://joe:s3cret@127.0.0.1:9/a/s3cret"), TRACK)
    publisher.start()
    publisher.close()
    assert ("its certificate is not verified" in caplog.text) is warned
    assert "s3cret" not in caplog.text


def test_a_publisher_starts_once_and_closes_as_often_as_one_likes():
    publisher = Publisher(parse_target("rtsp://127.0.0.1:9/a"), TRACK)
    publisher.close()
    publisher.close()
    assert publisher.statistics()["state"] == "ended"
    with pytest.raises(SinkError, match="started once"):
        publisher.start()
    assert json.dumps(publisher.statistics())
