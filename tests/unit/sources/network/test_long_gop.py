"""A camera whose key frames are far apart, or whose frames are few, comes up and stays."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from streamer.config import RtspSourceConfig
from streamer.engine.attempt import Attempt
from streamer.errors import CorruptFrame, SourceError, SourceTimeout, SourceWaiting
from streamer.sources.network.rtsp import RtspSource
from tests.unit.sources.clips import encode
from tests.unit.sources.tiny_rtsp import TinyRtsp, parameter_sets, rtp_packets

STALL_S = 0.4
GOP = 30
FRAMES = 58


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """2.3 s of H.264 with key frames at 0 and 1.2 s; Annex B, so each has the parameter sets."""
    return encode(tmp_path_factory.mktemp("gop") / "clip.ts", frames=FRAMES, gop=GOP)


@pytest.fixture(scope="module")
def packets(clip: Path) -> list[bytes]:
    return rtp_packets(clip)


def after_the_key_frame(packets: list[bytes]) -> list[bytes]:
    """What a viewer gets who comes between key frames."""
    return [packet for packet in packets if packet[4:8] != packets[0][4:8]]


class Camera:
    """One connection as the pipeline makes it."""

    def __init__(self, server: TinyRtsp, **fields: object) -> None:
        settings = {"type": "rtsp", "url": server.url, "read_timeout_s": STALL_S, **fields}
        self.begun_s = time.monotonic()
        self._attempt = Attempt(
            RtspSource(RtspSourceConfig.model_validate(settings)),
            1,
            open_s=10,
            stall_s=STALL_S,
            meanwhile=lambda: True,
        )
        self.info = None
        self.heard = 0

    def first(self) -> tuple[int, float]:
        """The number of the first frame, and seconds until it was there."""
        self.info = self._attempt.open()
        number, _ = self.next()
        return number, time.monotonic() - self.begun_s

    def next(self) -> tuple[int, float]:
        """The number of the next frame, and its time."""
        out = np.zeros((self.info.height, self.info.width, 3), np.uint8)
        while True:
            try:
                grab = self._attempt.read(out)
            except CorruptFrame:
                continue
            self.heard += len(grab.audio)
            number = round(float(out.mean()) * 219 / 255 / 4)
            return number, float(grab.pts * grab.time_base)

    def close(self) -> None:
        self._attempt.hang_up()
        self._attempt.join(8)
        assert not self._attempt.alive


@contextmanager
def watching(server: TinyRtsp, **fields: object) -> Iterator[Camera]:
    camera = Camera(server, **fields)
    try:
        yield camera
    finally:
        server.close()
        camera.close()


@pytest.mark.parametrize("described", [True, False], ids=["sets in the SDP", "sets in the stream"])
def test_a_key_frame_that_comes_first_is_shown_and_leaves_no_backlog(tmp_path, described):
    clip = encode(tmp_path / "clip.ts", frames=FRAMES, gop=1000)
    sets = parameter_sets(clip) if described else ""
    server = TinyRtsp(rtp_packets(clip), hangs_up=False, paced=True, sets=sets)
    with watching(server) as camera:
        number, _ = camera.first()
        arrivals = []
        while number < FRAMES - 8:
            before, (number, pts_s) = number, camera.next()
            assert number == before + 1
            arrivals.append(time.monotonic() - camera.begun_s - pts_s)
        assert len(arrivals) > 10, "no other key frame comes"
        # How late a frame is beyond the least late of all: at the end nothing is left to catch up.
        assert min(arrivals[-10:]) - min(arrivals) < 0.3


@pytest.mark.parametrize("described", [True, False], ids=["sets in the SDP", "sets in the stream"])
@pytest.mark.parametrize("sound", [False, True], ids=["mute", "with sound"])
def test_a_viewer_between_key_frames_waits_for_the_next_on_one_connection(
    clip, packets, described, sound
):
    sets = parameter_sets(clip) if described else ""
    server = TinyRtsp(
        after_the_key_frame(packets), hangs_up=False, paced=True, sets=sets, sound=sound
    )
    with watching(server) as camera:
        number, took_s = camera.first()
        assert GOP <= number < GOP + 20, "the key frame, or what came after it while connecting"
        assert took_s > 2 * STALL_S, "it was silent for no moment, and longer than a stall"
        assert server.viewers == 1
        assert camera.heard * 0.02 < 0.5, "sound from before the first picture is none of its own"


def test_who_asks_the_source_itself_is_told_to_ask_again(clip, packets):
    server = TinyRtsp(
        after_the_key_frame(packets), hangs_up=False, paced=True, sets=parameter_sets(clip)
    )
    source = RtspSource(RtspSourceConfig.model_validate({"type": "rtsp", "url": server.url}))
    turns = 0
    try:
        info = source.open()
        out = np.zeros((info.height, info.width, 3), np.uint8)
        while True:
            try:
                source.read(out)
                break
            except SourceWaiting:
                turns += 1
    finally:
        server.close()
        source.close()
    assert turns > 1
    assert round(float(out.mean()) * 219 / 255 / 4) == GOP


def test_sound_alone_is_a_silent_camera(clip, packets):
    server = TinyRtsp([], hangs_up=False, sets=parameter_sets(clip), sound=True)
    with watching(server) as camera, pytest.raises(SourceTimeout, match="sent nothing for"):
        camera.first()


def test_what_never_gives_a_picture_is_given_up_in_the_end(clip, packets, monkeypatch):
    monkeypatch.setattr("streamer.sources.network.arrivals._PATIENCE_S", 0.5)
    server = TinyRtsp(
        after_the_key_frame(packets), hangs_up=False, paced=True, sets=parameter_sets(clip)
    )
    with watching(server) as camera, pytest.raises(SourceError, match="no frame came whole"):
        camera.first()


def test_a_stream_that_says_that_its_frames_are_few_is_waited_for(tmp_path):
    """Two frames a second, silent for twice as long in between as counts as a stall elsewhere."""
    clip = encode(tmp_path / "slow.ts", frames=7, rate=2)
    server = TinyRtsp(rtp_packets(clip), hangs_up=False, paced=True, sets=parameter_sets(clip))
    with watching(server, read_timeout_s=0.2, audio=False) as camera:
        camera._attempt._stall_s = 0.2
        numbers = [camera.first()[0], *(camera.next()[0] for _ in range(3))]
        assert camera.info.fps == 2
        assert all(b == a + 1 for a, b in pairwise(numbers))
        assert server.viewers == 1
