"""Requests and their answers, over loopback."""

from __future__ import annotations

import logging

import pytest

from streamer.serving.rtsp import Credentials
from tests.unit.serving.rtsp.client import Client
from tests.unit.serving.rtsp.conftest import until
from tests.unit.serving.rtsp.streams import TINY, tiny_packet, tone

ME = Credentials("me", "s3cret pass")


@pytest.fixture
def server(serve):
    server = serve()
    server.mount("/masked", TINY)
    return server


@pytest.fixture
def client(server):
    with Client(server.address) as client:
        yield client


def test_options_tell_what_is_spoken(client):
    answer = client.ask("OPTIONS")
    assert answer.status == 200
    assert answer["CSeq"] == "1"
    assert {"DESCRIBE", "SETUP", "PLAY", "PAUSE", "TEARDOWN"} <= set(answer["Public"].split(", "))


def test_describe_gives_the_sdp_and_its_base(client):
    answer = client.ask("DESCRIBE")
    assert answer["Content-Type"] == "application/sdp"
    assert answer["Content-Base"] == client.url + "/"
    assert answer.body.startswith(b"v=0\r\n")


@pytest.mark.parametrize("end", ["/", "//", "?x=1", "/?x=1&y=/z", "#part"])
def test_queries_and_slashes_at_the_end_mean_nothing(client, end):
    url = client.url
    expected = 404 if "#" in end else 200
    assert client.ask("DESCRIBE", url + end).status == expected


def test_a_whole_visit_over_tcp(client, server):
    setup = client.setup()
    assert setup["Transport"].startswith("RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=")
    assert setup["Session"].endswith(";timeout=60")
    play = client.play()
    assert play["Range"] == "npt=now-"
    assert play["RTP-Info"].startswith(f"url={client.url}/trackID=0;seq=")
    assert client.ask("GET_PARAMETER").status == 200
    assert client.ask("SET_PARAMETER").status == 200
    assert client.ask("PAUSE").status == 200
    assert client.play().status == 200
    assert server.statistics()["mounts"][0]["viewers"] == 1
    assert client.ask("TEARDOWN").status == 200
    assert server.statistics()["sessions"] == 0
    assert server.statistics()["mounts"][0]["viewers"] == 0
    assert client.ask("GET_PARAMETER").status == 454


@pytest.mark.parametrize(
    ("method", "status"),
    [("ANNOUNCE", 405), ("RECORD", 405), ("REDIRECT", 405), ("FLY", 501), ("describe", 501)],
)
def test_other_methods_are_refused_with_those_that_are_spoken(client, method, status):
    answer = client.ask(method)
    assert answer.status == status
    assert "DESCRIBE" in answer["Allow"]


@pytest.mark.parametrize(
    ("uri", "status"),
    [("rtsp://h/nothing", 404), ("rtsp://h/", 404), ("/masked", 200), ("masked", 400), ("*", 400)],
)
def test_a_path_is_found_or_not(client, uri, status):
    assert client.ask("DESCRIBE", uri).status == status


def test_an_unknown_track_is_not_found(client):
    assert client.setup(track=1).status == 404


@pytest.mark.parametrize("cseq", [None, "", "one", "-1"])
def test_a_request_without_a_sequence_number_is_bad(client, cseq):
    assert client.ask("OPTIONS", CSeq=cseq).status == 400
    assert client.ask("OPTIONS").status == 200


def test_what_a_client_requires_is_not_there(client):
    answer = client.ask("DESCRIBE", require="onvif-replay")
    assert answer.status == 551
    assert answer["Unsupported"] == "onvif-replay"


def test_parameters_are_not_understood(client):
    assert client.ask("GET_PARAMETER", body="packets_received\r\n").status == 451


@pytest.mark.parametrize("method", ["PLAY", "PAUSE", "TEARDOWN"])
def test_without_a_session_nothing_is_played(client, method):
    assert client.ask(method).status == 454
    assert client.ask(method, session="0" * 32).status == 454


def test_a_session_belongs_to_its_connection(server, client):
    client.watch()
    with Client(server.address) as other:
        for method in ("PLAY", "TEARDOWN", "GET_PARAMETER"):
            assert other.ask(method, session=client.session).status == 454
    assert server.statistics()["sessions"] == 1


def test_methods_have_their_time(client):
    client.setup()
    assert client.ask("PAUSE").status == 455
    client.play()
    assert client.setup().status == 455


@pytest.mark.parametrize(
    "transport",
    [
        None,
        "RTP/AVP;multicast",
        "RTP/SAVP;unicast;client_port=5000-5001",
        "RTP/AVP;unicast;client_port=22-23",
    ],
)
def test_transports_that_are_not_served_are_refused_and_leave_no_session(server, client, transport):
    assert client.setup(transport=transport).status == 461
    assert server.statistics()["sessions"] == 0


def test_channels_are_the_server_s_choice_where_the_viewer_has_none_or_one_twice(serve):
    server = serve()
    server.mount("/masked", TINY, tone("opus", 0.1)[0])
    with Client(server.address) as client:
        first = client.setup(0, "RTP/AVP/TCP;unicast;interleaved=0-1")
        second = client.setup(1, "RTP/AVP/TCP;unicast;interleaved=1-2")
        assert "interleaved=0-1;" in first["Transport"]
        assert "interleaved=2-3;" in second["Transport"]


class TestTwoTracks:
    @pytest.fixture
    def client(self, serve):
        server = serve()
        server.mount("/masked", TINY, tone("opus", 0.1)[0])
        with Client(server.address) as client:
            yield client

    def test_a_setup_names_its_track(self, client):
        transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
        assert client.ask("SETUP", transport=transport).status == 459

    def test_both_play_together(self, client):
        client.setup(0)
        client.setup(1, "RTP/AVP/TCP;unicast;interleaved=2-3")
        assert client.ask("PLAY", f"{client.url}/trackID=0").status == 460
        info = client.play()["RTP-Info"].split(",")
        assert [part.partition(";")[0] for part in info] == [
            f"url={client.url}/trackID=0",
            f"url={client.url}/trackID=1",
        ]
        assert client.ask("PAUSE", f"{client.url}/trackID=1").status == 460

    def test_one_alone_may_be_played_by_its_own_url(self, client):
        client.setup(0)
        assert client.ask("PLAY", f"{client.url}/trackID=1").status == 404
        assert client.ask("PLAY", f"{client.url}/trackID=0").status == 200

    def test_both_go_the_same_way(self, client):
        client.setup(0)
        assert client.setup(1, "RTP/AVP;unicast;client_port=5000-5001").status == 461


def test_a_single_track_needs_no_name(client):
    transport = "RTP/AVP/TCP;unicast;interleaved=0-1"
    assert client.ask("SETUP", transport=transport).status == 200
    assert client.play().status == 200


def test_a_session_has_one_mount(server, client):
    server.mount("/other", TINY)
    client.setup()
    other = client.url.replace("masked", "other")
    transport = "RTP/AVP/TCP;unicast;interleaved=2-3"
    assert client.ask("SETUP", f"{other}/trackID=0", transport=transport).status == 459
    assert client.ask("PLAY", other).status == 454


def test_several_mounts_have_their_own_viewers(server, client):
    other = server.mount("/other/deep", TINY)
    client.watch()
    with Client(server.address, "/other/deep") as second:
        second.watch()
        other.send_video(tiny_packet(1, key=True))
        assert b"00000001" in second.receive()
    assert client.frames == []


def test_requests_in_one_piece_are_answered_in_order(client):
    client.send(b"".join(b"OPTIONS * RTSP/1.0\r\nCSeq: %d\r\n\r\n" % n for n in range(50)))
    assert [client.answer()["CSeq"] for _ in range(50)] == [str(n) for n in range(50)]


@pytest.mark.parametrize(
    ("data", "status"), [(b"GET / HTTP/1.1\r\n\r\n", 400), (b"OPTIONS * RTSP/2.0\r\n\r\n", 505)]
)
def test_what_is_not_rtsp_is_told_so_and_hung_up_on(client, data, status):
    client.send(data)
    assert client.answer().status == status
    assert client.ended()


def test_a_second_play_tells_no_numbers_for_they_are_unknown(server, client):
    client.watch()
    again = client.play()
    assert again.status == 200
    assert again["Range"] == "npt=now-"
    assert again.all("RTP-Info") == []
    client.ask("PAUSE")
    assert client.play().all("RTP-Info")


def test_a_stream_that_is_not_known_yet_is_to_be_asked_for_again(server):
    mount = server.mount("/later")
    with Client(server.address, "/later") as client:
        for method in ("DESCRIBE", "SETUP"):
            answer = client.ask(method, transport="RTP/AVP/TCP;unicast;interleaved=0-1")
            assert answer.status == 503
            assert int(answer["Retry-After"]) > 0
        mount.begin(TINY)
        assert client.ask("DESCRIBE").status == 200
        client.watch()
        mount.send_video(tiny_packet(1, key=True))
        assert b"00000001" in client.receive()


@pytest.mark.parametrize("algorithm", ["SHA-256", "MD5"])
def test_with_credentials_only_options_are_free(serve, algorithm, caplog):
    caplog.set_level(logging.DEBUG)
    server = serve(ME)
    server.mount("/masked", TINY)
    with Client(server.address) as stranger:
        assert stranger.ask("OPTIONS").status == 200
        for method in ("DESCRIBE", "SETUP", "PLAY", "GET_PARAMETER", "TEARDOWN"):
            assert stranger.ask(method).status == 401
        assert stranger.ask("DESCRIBE", "rtsp://h/nothing").status == 401
        assert server.statistics()["sessions"] == 0
    with Client(server.address, credentials=ME, algorithm=algorithm) as known:
        known.watch()
        assert known.ask("TEARDOWN").status == 200
    with Client(server.address, credentials=Credentials("me", "wrong")) as guesser:
        assert guesser.ask("DESCRIBE").status == 401
    assert "s3cret" not in caplog.text + repr(server)


def test_viewers_are_logged_by_address_as_they_come_and_go(server, client, caplog):
    caplog.set_level(logging.INFO, "streamer.serving.rtsp")
    client.url = client.url.replace("rtsp://", "rtsp://me:s3cret@")
    client.watch()
    client.ask("TEARDOWN")
    assert caplog.messages == [
        "/masked: viewer 127.0.0.1 over TCP joined, 1 now",
        "/masked: viewer 127.0.0.1 over TCP left (teardown), 0 now",
    ]


def test_a_viewer_that_hangs_up_is_forgotten(server, client):
    client.watch()
    client.close()
    assert until(lambda: server.statistics()["connections"] == 0)
    assert server.statistics()["sessions"] == 0
