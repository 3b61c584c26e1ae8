"""Many viewers, slow ones, and long runs."""

from __future__ import annotations

import threading
import time
import tracemalloc
from contextlib import suppress

import pytest

from tests.unit.serving.rtsp.client import Client
from tests.unit.serving.rtsp.conftest import until
from tests.unit.serving.rtsp.streams import TINY, tiny_packet


class Reader:
    """Watches in a thread of its own and keeps the sequence numbers it got."""

    def __init__(self, address: tuple[str, int], packets: int) -> None:
        self.sequences: list[int] = []
        self._client = Client(address).watch()
        self._packets = packets
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while len(self.sequences) < self._packets:
            self.sequences.append(self._client.packet().sequence)

    def finish(self) -> None:
        self._thread.join(30)
        self._client.close()


def test_one_of_ten_viewers_that_never_reads_costs_the_others_nothing(serve):
    server = serve(stall_s=60, queue_bytes=200_000)
    mount = server.mount("/masked", TINY)
    frames, size = 400, 6000
    with Client(server.address, receive_buffer=4096) as stuck:
        stuck.watch()
        packets = 5 * frames + 1  # five fragments a frame, and the parameter sets of the first
        readers = [Reader(server.address, packets) for _ in range(9)]
        longest_s = 0.0
        for number in range(frames):
            packet = tiny_packet(number, key=number == 0, size=size)
            started = time.perf_counter()
            mount.send_video(packet)
            longest_s = max(longest_s, time.perf_counter() - started)
            # A camera's pace, as fast as the slowest of the nine can go.
            behind = max(0, number - 20) * 5
            assert until(lambda b=behind: all(len(r.sequences) >= b for r in readers), 10)
        assert until(lambda: all(len(r.sequences) == packets for r in readers))
        found = mount.statistics()
        for reader in readers:
            reader.finish()
            first = reader.sequences[0]
            assert reader.sequences == [(first + n) & 0xFFFF for n in range(packets)]
        assert longest_s < 5
        assert found["packets_dropped"] > 0
        assert found["inbox_dropped"] == 0
        assert found["viewers"] == 10


def test_a_viewer_that_was_too_slow_goes_on_with_a_key_frame_and_whole_packets(serve):
    server = serve(queue_bytes=100_000)
    mount = server.mount("/masked", TINY)
    with Client(server.address, receive_buffer=4096) as client:
        client.watch()
        mount.take_key_request()
        number = 0
        mount.send_video(tiny_packet(number, key=True))
        while mount.statistics()["packets_dropped"] == 0:
            number += 1
            mount.send_video(tiny_packet(number, size=20_000))
            time.sleep(0.001)
        assert not mount.take_key_request()  # it could not take a key frame now

        wanted: list[int] = []

        def feed() -> None:
            nonlocal number
            while not wanted and number < 5000:
                number += 1
                key = mount.take_key_request()
                if key:  # noted first: it may be read before this thread goes on
                    wanted.append(number)
                mount.send_video(tiny_packet(number, key=key, size=1000))
                time.sleep(0.002)

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            # Frames are read by the lengths they tell: a torn one would end this in nonsense.
            previous, gap = client.packet(), False
            while True:
                packet = client.packet()
                gap |= packet.sequence != (previous.sequence + 1) & 0xFFFF
                assert packet.payload[0] & 0x1F in (1, 24, 28)
                if packet.payload[0] & 0x1F == 24 and b"%08d" % wanted[0] in packet.payload:
                    break
                previous = packet
        finally:
            feeder.join()


@pytest.mark.parametrize("watches", [False, True])
def test_a_viewer_that_accepts_nothing_is_hung_up_on(serve, watches):
    server = serve(stall_s=0.5, messages_per_s=1e6)
    mount = server.mount("/masked", TINY)
    with Client(server.address, receive_buffer=4096) as client:
        if watches:
            client.watch()
            mount.send_video(tiny_packet(0, key=True))
            for number in range(1, 200):
                mount.send_video(tiny_packet(number, size=20_000))
        else:
            client.socket.settimeout(0.2)
            with suppress(TimeoutError, ConnectionError):
                while True:
                    client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n" * 500)
        assert until(lambda: server.statistics()["connections"] == 0, 5)
        assert server.statistics()["sessions"] == 0


def test_memory_is_flat_over_two_hundred_visits_and_ten_thousand_frames(serve):
    server = serve()
    mount = server.mount("/masked", TINY)
    number = 0

    def visit(frames: int) -> None:
        nonlocal number
        with Client(server.address) as client:
            client.watch()
            assert until(mount.take_key_request)
            mount.send_video(tiny_packet(number, key=True))
            for _ in range(frames - 1):
                number += 1
                mount.send_video(tiny_packet(number))
            for _ in range(frames):
                client.packet()
            if number % 2:
                client.ask("TEARDOWN")
        number += 1

    # The limit on key frames is a quarter of a second of real time; here nobody encodes them.
    mount.keys._now = iter(range(1_000_000)).__next__
    for _ in range(20):
        visit(50)
    assert until(lambda: server.statistics()["connections"] == 0)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(200):
            visit(50)
        assert until(lambda: server.statistics()["connections"] == 0)
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    found = server.statistics()
    assert (found["connections"], found["sessions"]) == (0, 0)
    assert mount.statistics()["viewers"] == 0
    assert mount.statistics()["viewers_in_all"] == 220
    assert mount.statistics()["packets_sent"] >= 10_000
    assert mount.statistics()["packets_dropped"] == 0
    assert after - before < 200_000, f"{after - before} bytes more"
