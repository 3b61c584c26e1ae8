from __future__ import annotations

from base64 import b64decode
from fractions import Fraction

import pytest

from streamer.packets import VideoTrack
from streamer.serving.rtsp.audio import audio_format
from streamer.serving.rtsp.sdp import describe
from tests.unit.serving.rtsp.streams import TINY, Encoder, tone


def lines(video: VideoTrack = TINY, **changes: object) -> list[str]:
    given = {"name": "/masked", "address": "10.0.0.1", "identity": 5, "audio": None}
    return describe(**(given | changes), video=video).decode().split("\r\n")[:-1]


def test_h264_is_described_with_its_profile_and_parameter_sets():
    described = lines()
    assert "m=video 0 RTP/AVP 96" in described
    assert "a=rtpmap:96 H264/90000" in described
    assert (
        "a=fmtp:96 packetization-mode=1; profile-level-id=42C01E; "
        "sprop-parameter-sets=Z0LAHg==,aM48gA==" in described
    )
    assert "a=framerate:25" in described
    assert "a=control:trackID=0" in described


def test_h265_is_described_with_each_kind_of_parameter_set():
    track = Encoder("hevc").track
    (format_line,) = (line for line in lines(track) if line.startswith("a=fmtp:96"))
    values = dict(part.split("=", 1) for part in format_line.partition(" ")[2].split("; "))
    assert tuple(map(b64decode, values.values())) == track.parameter_sets
    assert list(values) == ["sprop-vps", "sprop-sps", "sprop-pps"]


def test_audio_is_a_second_track():
    form = audio_format(tone("aac", 0.1)[0])
    described = lines(audio=form)
    assert described.index("m=audio 0 RTP/AVP 97") > described.index("a=control:trackID=0")
    assert "a=rtpmap:97 mpeg4-generic/48000/2" in described
    assert described[-1] == "a=control:trackID=1"


@pytest.mark.parametrize(
    ("address", "origin", "connection"),
    [
        ("10.0.0.1", "o=- 5 1 IN IP4 10.0.0.1", "c=IN IP4 0.0.0.0"),
        ("fd00::1", "o=- 5 1 IN IP6 fd00::1", "c=IN IP6 ::"),
    ],
)
def test_the_origin_is_the_server_as_the_viewer_sees_it(address, origin, connection):
    described = lines(address=address)
    assert origin in described
    assert connection in described


def test_what_nobody_knows_yet_is_left_out():
    unknown = VideoTrack("h264", 64, 48, None, Fraction(1, 90000), ())
    assert "a=fmtp:96 packetization-mode=1" in lines(unknown)
    assert not any("framerate" in line for line in lines(unknown))
    hevc = VideoTrack("hevc", 64, 48, None, Fraction(1, 90000), ())
    assert not any("fmtp" in line for line in lines(hevc))
