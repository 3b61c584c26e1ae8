"""What viewers get of what is sent, over loopback."""

from __future__ import annotations

import socket
import struct
import threading
import time
from dataclasses import replace
from fractions import Fraction

import pytest

from streamer.errors import SinkError
from streamer.packets import AudioPacket, AudioTrack
from streamer.serving.rtsp.mount import KeyRequests
from tests.unit.serving.rtsp.client import Client, Rtp
from tests.unit.serving.rtsp.conftest import until
from tests.unit.serving.rtsp.streams import TINY, tiny_packet, tone

PCM = AudioTrack("pcm_mulaw", 8000, 1, Fraction(1, 8000))


@pytest.fixture
def server(serve):
    return serve()


@pytest.fixture
def mount(server):
    return server.mount("/masked", TINY)


@pytest.fixture
def client(server, mount):
    with Client(server.address) as client:
        yield client


def number_of(packet: Rtp) -> int | None:
    """Which `tiny_packet` it is of; None for its parameter sets."""
    return int(packet.payload[1:9]) if packet.payload[0] & 0x1F in (1, 5) else None


def numbers(client: Client, last: int) -> list[int]:
    """The numbers that come, until *last*."""
    found: list[int] = []
    while not found or found[-1] != last:
        packet = client.packet()
        payload = packet.payload
        if payload[0] & 0x1F == 24:
            payload = payload[-40:]
        found.append(int(payload[1:9]))
    return found


def test_a_viewer_starts_with_the_next_key_frame_which_it_asks_for(mount, client):
    mount.send_video(tiny_packet(0, key=True))
    assert not mount.take_key_request()
    client.watch()
    assert mount.take_key_request()
    mount.send_video(tiny_packet(1))
    mount.send_video(tiny_packet(2, key=True))
    mount.send_video(tiny_packet(3))
    assert numbers(client, 3) == [2, 3]


def test_requests_for_key_frames_are_at_most_four_a_second():
    now_s = 0.0
    keys = KeyRequests(lambda: now_s)
    taken = 0
    for _ in range(1000):
        keys.ask()
        taken += keys.take()
        now_s += 0.01
    assert 36 <= taken <= 41


def test_a_key_frame_that_never_came_is_asked_for_again():
    now_s = 0.0
    keys = KeyRequests(lambda: now_s)
    keys.ask()
    assert keys.take()
    now_s = 0.9
    keys.ask_again()
    assert not keys.take()
    now_s = 1.1
    keys.ask_again()
    assert keys.take()


def test_a_key_frame_that_came_by_itself_is_not_asked_for():
    keys = KeyRequests()
    keys.ask()
    keys.fulfil()
    assert not keys.take()


def test_the_first_packet_is_the_one_that_play_announced(mount, client):
    ssrc = int(client.setup()["Transport"].rpartition("ssrc=")[2], 16)
    info = dict(p.split("=", 1) for p in client.play()["RTP-Info"].split(";")[1:])
    for number in range(100, 103):
        mount.send_video(tiny_packet(number, key=number == 100))
    packets = [client.packet() for _ in range(3)]
    sequence, timestamp = int(info["seq"]), int(info["rtptime"])
    assert [p.sequence for p in packets] == [(sequence + n) & 0xFFFF for n in range(3)]
    assert [p.timestamp for p in packets] == [(timestamp + 3600 * n) & 0xFFFFFFFF for n in range(3)]
    assert {p.ssrc for p in packets} == {ssrc}


def test_sequence_and_time_begin_at_random(server, mount):
    seen = set()
    for _ in range(5):
        with Client(server.address) as client:
            client.setup()
            seen.add(client.play()["RTP-Info"].partition("seq=")[2])
    assert len(seen) == 5


def test_a_report_comes_before_the_first_packet_and_maps_capture_to_rtp_time(mount, client):
    client.watch()
    captured_ns, wall_s = time.monotonic_ns() - 2_000_000_000, time.time() - 2
    mount.send_video(replace(tiny_packet(7, key=True), captured_ns=captured_ns))
    report = client.receive(1)
    first = client.packet()
    seconds, fraction, timestamp = struct.unpack(">III", report[8:20])
    ntp_s = seconds - 2_208_988_800 + fraction / 2**32
    # The frame was captured 2 s ago, so its RTP time lies as far before the report's.
    elapsed_s = ((timestamp - first.timestamp) & 0xFFFFFFFF) / 90_000
    assert ntp_s - elapsed_s == pytest.approx(wall_s, abs=0.02)
    assert elapsed_s == pytest.approx(2, abs=0.2)


def test_audio_and_video_captured_together_have_the_same_wall_clock(server):
    mount = server.mount("/masked", TINY, PCM)
    with Client(server.address) as client:
        client.setup(0)
        client.setup(1, "RTP/AVP/TCP;unicast;interleaved=2-3")
        client.play()
        mount.send_audio(AudioPacket(b"\x7f" * 160, 8000))
        mount.send_video(tiny_packet(25, key=True))
        mount.send_audio(AudioPacket(b"\x7f" * 160, 8000 - 160))
        mount.send_audio(AudioPacket(b"\x7f" * 160, 8000 + 800))
        moments = []
        for channel, rate in ((0, 90_000), (2, 8000)):
            report = client.receive(channel + 1)
            packet = client.packet(channel)
            seconds, fraction, timestamp = struct.unpack(">III", report[8:20])
            before_s = ((timestamp - packet.timestamp + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)
            moments.append(seconds + fraction / 2**32 - before_s / rate)
    # Neither audio before the first picture nor what belongs before it was sent.
    assert moments[1] - moments[0] == pytest.approx(0.1, abs=0.002)


def test_audio_alone_needs_no_key_frame(server):
    mount = server.mount("/masked", TINY, PCM)
    with Client(server.address) as client:
        client.setup(1)
        client.play()
        assert not mount.take_key_request()
        mount.send_audio(AudioPacket(b"\x7f" * 160, 800))
        packet = client.packet()
        assert (packet.payload_type, packet.payload) == (0, b"\x7f" * 160)


def test_real_audio_goes_as_it_came(server):
    track, packets = tone("aac", 0.2)
    mount = server.mount("/masked", TINY, track)
    with Client(server.address) as client:
        client.setup(1)
        client.play()
        for packet in packets:
            mount.send_audio(packet)
        assert [client.packet().payload[4:] for _ in packets] == [p.data for p in packets]


def test_after_a_pause_time_has_passed_and_numbers_go_on(mount, client):
    client.watch()
    mount.send_video(tiny_packet(1, key=True))
    before = client.packet()
    client.ask("PAUSE")
    mount.send_video(tiny_packet(2))
    info = dict(p.split("=", 1) for p in client.play()["RTP-Info"].split(";")[1:])
    assert mount.take_key_request()
    mount.send_video(tiny_packet(3))
    mount.send_video(tiny_packet(4, key=True))
    after = client.packet()
    assert b"00000004" in after.payload
    assert after.sequence == (before.sequence + 1) & 0xFFFF == int(info["seq"])
    assert after.timestamp == int(info["rtptime"])
    assert 0 < (after.timestamp - before.timestamp) & 0xFFFFFFFF < 90_000


def test_a_stream_begins_once(mount):
    with pytest.raises(SinkError, match="begins once"):
        mount.begin(TINY)


def test_audio_that_cannot_be_relayed_is_told_when_the_stream_begins(server):
    mount = server.mount("/later")
    with pytest.raises(SinkError, match="mp3"):
        mount.begin(TINY, replace(PCM, codec="mp3"))
    mount.begin(TINY)


def test_packets_before_the_beginning_are_no_harm(server):
    mount = server.mount("/later")
    mount.send_video(tiny_packet(0, key=True))
    mount.send_audio(AudioPacket(b"\x7f" * 160, 0))
    mount.begin(TINY, PCM)
    with Client(server.address, "/later") as client:
        client.watch()
        mount.send_video(tiny_packet(1, key=True))
        assert numbers(client, 1) == [1]


def test_a_closed_mount_says_good_bye_and_frees_its_path(server, mount, client):
    client.watch()
    mount.send_video(tiny_packet(1, key=True))
    reported = client.receive(1)[1]
    client.packet()
    mount.close()
    mount.close()
    assert [reported, client.receive(1)[1]] == [200, 201]
    assert client.ended()
    mount.send_video(tiny_packet(2))
    mount.send_audio(AudioPacket(b"", 0))
    assert server.statistics() == {"connections": 0, "sessions": 0, "mounts": []}
    server.mount("/masked", TINY)


def test_statistics_count_viewers_packets_and_bytes(mount, client):
    client.watch()
    mount.send_video(tiny_packet(1, key=True))
    assert until(lambda: mount.statistics()["packets_sent"] == 2)
    found = mount.statistics()
    assert (found["viewers"], found["viewers_in_all"]) == (1, 1)
    assert found["bytes_sent"] > 100
    assert found["packets_dropped"] == 0


def test_packets_sent_before_the_server_starts_are_no_harm():
    from streamer.serving.rtsp import Limits, RtspServer

    server = RtspServer("127.0.0.1", 0, limits=Limits(inbox_packets=4))
    mount = server.mount("/masked", TINY)
    for number in range(10):
        mount.send_video(tiny_packet(number, key=True))
    server.start()
    try:
        with Client(server.address) as client:
            client.watch()
            mount.send_video(tiny_packet(11, key=True))
            assert numbers(client, 11) == [11]
    finally:
        server.stop()
    mount.send_video(tiny_packet(12))
    mount.close()


def test_when_the_server_s_thread_is_too_slow_packets_are_dropped_and_a_key_frame_is_awaited(
    server, mount, client
):
    client.watch()
    mount.send_video(tiny_packet(0, key=True))
    assert numbers(client, 0) == [0]
    idle, gate = threading.Event(), threading.Event()
    mount._wake(idle.set)
    assert idle.wait(5)
    mount._wake(gate.wait)
    for number in range(1, 400):
        mount.send_video(tiny_packet(number))
    gate.set()
    assert until(lambda: mount.statistics()["inbox_dropped"] == 399)
    assert until(mount.take_key_request)
    mount.send_video(tiny_packet(400))
    mount.send_video(tiny_packet(401, key=True))
    assert numbers(client, 401) == [401]


class TestUdp:
    @pytest.fixture
    def ports(self):
        with (
            socket.socket(type=socket.SOCK_DGRAM) as rtp,
            socket.socket(type=socket.SOCK_DGRAM) as rtcp,
        ):
            for end in (rtp, rtcp):
                end.bind(("127.0.0.1", 0))
                end.settimeout(5)
            yield rtp, rtcp

    def watch(self, client, ports, extra=""):
        pair = "-".join(str(end.getsockname()[1]) for end in ports)
        answer = client.setup(transport=f"RTP/AVP;unicast;client_port={pair}{extra}")
        assert answer.status == 200
        assert client.play().status == 200
        fields = dict(f.split("=") for f in answer["Transport"].split(";")[2:])
        assert fields["client_port"] == pair
        return tuple(map(int, fields["server_port"].split("-")))

    def test_packets_come_from_an_even_port_and_reports_from_the_next(self, mount, client, ports):
        rtp_port, rtcp_port = self.watch(client, ports)
        mount.send_video(tiny_packet(1, key=True))
        data, sender = ports[0].recvfrom(2048)
        assert b"00000001" in Rtp.parse(data).payload
        report, reporter = ports[1].recvfrom(2048)
        assert report[1] == 200
        assert (sender[1], reporter[1]) == (rtp_port, rtcp_port)
        assert (rtp_port % 2, rtcp_port) == (0, rtp_port + 1)

    def test_a_large_frame_comes_whole(self, mount, client, ports):
        ports[0].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        self.watch(client, ports)
        mount.send_video(tiny_packet(1, key=True, size=100_000))
        packets = []
        while not packets or not packets[-1].marker:
            packets.append(Rtp.parse(ports[0].recv(2048)))
        assert sum(len(p.payload) for p in packets) > 100_000

    def test_a_destination_is_not_followed(self, mount, client, ports):
        self.watch(client, ports, ";destination=127.0.0.2")
        with socket.socket(type=socket.SOCK_DGRAM) as elsewhere:
            elsewhere.bind(("127.0.0.2", ports[0].getsockname()[1]))
            mount.send_video(tiny_packet(1, key=True))
            assert ports[0].recv(2048)
            elsewhere.setblocking(False)
            with pytest.raises(BlockingIOError):
                elsewhere.recv(2048)

    def test_a_teardown_says_good_bye_and_closes_the_ports(self, server, mount, client, ports):
        rtp_port, _ = self.watch(client, ports)
        mount.send_video(tiny_packet(1, key=True))
        client.ask("TEARDOWN")
        assert [ports[1].recv(2048)[1] for _ in range(2)] == [200, 201]
        with socket.socket(type=socket.SOCK_DGRAM) as again:
            again.bind(("127.0.0.1", rtp_port))

    def test_a_viewer_may_lose_its_connection_and_come_back(self, server, mount, client, ports):
        self.watch(client, ports)
        client.close()
        assert until(lambda: server.statistics()["connections"] == 0)
        mount.send_video(tiny_packet(1, key=True))
        assert ports[0].recv(2048)
        with Client(server.address) as again:
            assert again.ask("TEARDOWN", session=client.session).status == 200
        assert server.statistics()["sessions"] == 0

    def test_a_viewer_that_is_gone_with_its_ports_is_forgotten(self, server, mount, client, ports):
        self.watch(client, ports)
        client.close()
        assert until(lambda: server.statistics()["connections"] == 0)
        for end in ports:
            end.close()
        mount.send_video(tiny_packet(1, key=True))
        mount.send_video(tiny_packet(2))
        assert until(lambda: server.statistics()["sessions"] == 0)
