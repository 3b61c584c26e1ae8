from __future__ import annotations

from fractions import Fraction

import av
import numpy as np
import pytest

from streamer.errors import SinkError
from streamer.frame import Stamp
from streamer.packets import VideoPacket, split_annex_b
from streamer.sinks.shared.encoder import EncoderSettings, LiveEncoder

BASE = Fraction(1, 90_000)
RED, GREY = (0, 0, 255), (128, 128, 128)


def live(codec: str = "h264", *, width: int = 64, height: int = 48, **fields: object):
    settings = EncoderSettings(codec=codec, encoder="software", preset="ultrafast", **fields)
    return LiveEncoder(width, height, BASE, Fraction(30), settings)


def picture(colour: tuple[int, int, int] = RED, width: int = 64, height: int = 48) -> np.ndarray:
    return np.full((height, width, 3), colour, np.uint8)


def stamp(index: int, epoch: int = 0) -> Stamp:
    return Stamp(index, index * 3000, BASE, 1_000 + index, epoch)


def encoded(encoder: LiveEncoder, count: int, keys: tuple[int, ...] = ()) -> list[VideoPacket]:
    packets = []
    for index in range(count):
        packets += encoder.encode(picture(), stamp(index), key=index in keys)
    encoder.close()
    return packets


def decoded(codec: str, packets: list[VideoPacket]) -> list[np.ndarray]:
    decoder = av.CodecContext.create(codec, "r")
    frames = [f for p in packets for f in decoder.decode(av.Packet(p.data))]
    return [f.to_ndarray(format="bgr24") for f in [*frames, *decoder.decode(None)]]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_each_picture_is_a_packet_at_once_with_its_own_time(codec: str):
    encoder = live(codec)
    for index in range(5):
        (packet,) = encoder.encode(picture(), stamp(index))
        assert packet.pts == index * 3000
        assert packet.captured_ns == 1_000 + index


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_there_is_a_key_frame_every_gop_and_when_one_is_wanted(codec: str):
    packets = encoded(live(codec, gop_s=0.5), 40, keys=(7,))
    assert [n for n, packet in enumerate(packets) if packet.key] == [0, 7, 22, 37]


@pytest.mark.parametrize("codec", ["h264", "hevc"])
def test_decoding_can_begin_at_any_key_frame(codec: str):
    packets = encoded(live(codec), 12, keys=(6,))
    pictures = decoded(codec, packets[6:])
    assert len(pictures) == 6
    assert np.abs(pictures[0][:48, :64].astype(int) - RED).max() < 12


@pytest.mark.parametrize(("codec", "sets"), [("h264", 2), ("hevc", 3)])
def test_the_track_says_what_the_packets_are(codec: str, sets: int):
    encoder = live(codec, width=65, height=47)
    (packet,) = encoder.encode(picture(width=65, height=47), stamp(0))
    track = encoder.track
    assert (track.codec, track.width, track.height, track.fps) == (codec, 66, 48, 30)
    assert len(track.parameter_sets) == sets
    units = [bytes(unit) for unit in split_annex_b(packet.data)]
    assert all(one in units for one in track.parameter_sets)


def test_the_track_is_not_known_before_the_first_packet():
    with pytest.raises(RuntimeError, match="after the first packet"):
        _ = live().track


def test_a_picture_of_another_size_is_scaled_into_the_stream():
    encoder = live()
    packets = encoder.encode(picture(), stamp(0))
    packets += encoder.encode(picture(RED, 48, 96), stamp(1, epoch=1), key=True)
    _, second = decoded("h264", packets)
    assert second.shape == (48, 64, 3)
    assert np.abs(second[24, 32].astype(int) - RED).max() < 12
    assert not second[24, 4].any() or second[24, 4].max() < 12, "bars are black"


def test_time_goes_on_where_a_source_begins_anew():
    encoder = live()
    times = [p.pts for n in (10, 11, 0, 1) for p in encoder.encode(picture(), stamp(n))]
    assert times == sorted(set(times))


def test_a_bit_rate_is_kept_over_a_second():
    rng = np.random.default_rng(0)
    encoder = live(width=320, height=240, bitrate_kbps=300)
    noise = [rng.integers(0, 256, (240, 320, 3), np.uint8) for _ in range(8)]
    sizes = [len(p.data) for n in range(90) for p in encoder.encode(noise[n % 8], stamp(n))]
    assert sum(sizes[30:]) * 8 / 2 < 300_000 * 1.5


@pytest.mark.parametrize("kind", ["nvenc", "videotoolbox"])
def test_hardware_that_is_asked_for_is_used_or_refused(kind: str):
    try:
        av.CodecContext.create(f"h264_{kind}", "w").open()
    except (av.FFmpegError, ValueError):
        with pytest.raises(SinkError, match=f"^h264_{kind}: does not work here"):
            LiveEncoder(64, 48, BASE, None, EncoderSettings(encoder=kind))
    else:
        assert LiveEncoder(64, 48, BASE, None, EncoderSettings(encoder=kind)).name.endswith(kind)


def test_auto_encodes_whatever_is_there():
    encoder = LiveEncoder(320, 240, BASE, None, EncoderSettings(encoder="auto"))
    packets = [p for n in range(30) for p in encoder.encode(picture(RED, 320, 240), stamp(n))]
    assert packets[0].key
