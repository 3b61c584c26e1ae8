from __future__ import annotations

from fractions import Fraction

import pytest

from streamer.errors import SinkError
from streamer.packets import AudioTrack
from streamer.serving.rtsp.audio import audio_format
from streamer.serving.rtsp.rtp import MAX_PAYLOAD
from tests.unit.serving.rtsp.streams import tone


def track(codec: str, rate: int = 48000, channels: int = 2, extradata: bytes = b"") -> AudioTrack:
    return AudioTrack(codec, rate, channels, Fraction(1, rate), extradata)


def test_aac_is_announced_with_its_own_configuration_and_sent_behind_a_size():
    described, packets = tone("aac", 0.3)
    form = audio_format(described)
    assert form.rtpmap == "mpeg4-generic/48000/2"
    assert f"config={described.extradata.hex()}" in form.fmtp
    (payload,) = form.packetise(packets[1].data)
    assert payload.prefix[:2] == b"\0\x10"
    assert int.from_bytes(payload.prefix[2:], "big") == len(packets[1].data) << 3
    assert bytes(payload.body) == packets[1].data
    assert payload.marker


def test_a_long_aac_unit_goes_in_fragments_that_each_tell_the_whole_size():
    data = bytes(range(256)) * 12
    payloads = audio_format(track("aac", extradata=b"\x11\x90")).packetise(data)
    assert len(payloads) == 3
    assert b"".join(bytes(p.body) for p in payloads) == data
    assert {p.prefix for p in payloads} == {b"\0\x10" + (len(data) << 3).to_bytes(2, "big")}
    assert [p.marker for p in payloads] == [False, False, True]
    assert all(p.size <= MAX_PAYLOAD for p in payloads)


def test_aac_too_long_for_its_size_field_is_not_sent():
    assert audio_format(track("aac", extradata=b"\x11\x90")).packetise(b"x" * 8192) == []


@pytest.mark.parametrize(
    ("codec", "rate", "channels", "payload_type", "rtpmap"),
    [
        ("pcm_mulaw", 8000, 1, 0, "PCMU/8000"),
        ("pcm_alaw", 8000, 1, 8, "PCMA/8000"),
        ("pcm_alaw", 16000, 2, 97, "PCMA/16000/2"),
    ],
)
def test_g711_has_its_static_type_only_where_that_is_true(
    codec, rate, channels, payload_type, rtpmap
):
    form = audio_format(track(codec, rate, channels))
    assert (form.payload_type, form.rtpmap) == (payload_type, rtpmap)


def test_long_g711_is_cut_and_each_piece_has_its_own_time():
    payloads = audio_format(track("pcm_mulaw", 8000, 2)).packetise(b"\x7f" * 3000)
    assert [(p.size, p.delay) for p in payloads] == [(1400, 0), (1400, 700), (200, 1400)]


def test_opus_is_announced_as_its_rfc_demands_whatever_the_source_is():
    form = audio_format(track("opus", 16000, 1))
    assert (form.rtpmap, form.clock_rate, form.fmtp) == ("opus/48000/2", 48000, "sprop-stereo=0")
    (payload,) = form.packetise(b"packet")
    assert bytes(payload.body) == b"packet"


def test_an_empty_packet_is_not_sent():
    assert audio_format(track("opus")).packetise(b"") == []


@pytest.mark.parametrize(("codec", "channels"), [("mp3", 2), ("opus", 6), ("aac", 7), ("ac3", 2)])
def test_what_cannot_be_relayed_is_named_with_what_can(codec, channels):
    with pytest.raises(SinkError, match=f"audio {codec}.*use aac, opus, pcm_mulaw or pcm_alaw"):
        audio_format(track(codec, 48000, channels))
