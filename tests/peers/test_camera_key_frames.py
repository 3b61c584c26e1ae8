"""A real camera with a key frame each ten seconds is there at once: it sends one to each viewer."""

from __future__ import annotations

import time

import numpy as np
import pytest

from streamer.config import RtspSourceConfig
from streamer.errors import CorruptFrame, SourceWaiting
from streamer.sources.network.rtsp import RtspSource
from tests.peers.rtsp_camera import RtspCamera


@pytest.mark.parametrize("transport", ["tcp", "udp"])
@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
def test_its_first_frame_comes_long_before_its_next_key_frame(codec, transport):
    with RtspCamera(codec=codec, gop=250) as camera:
        config = {"type": "rtsp", "url": camera.url, "transport": transport}
        source = RtspSource(RtspSourceConfig.model_validate(config))
        begun = time.monotonic()
        lateness = []
        try:
            info = source.open()
            out = np.zeros((info.height, info.width, 3), np.uint8)
            while len(lateness) < 50:
                try:
                    grab = source.read(out)
                except (CorruptFrame, SourceWaiting):
                    assert time.monotonic() - begun < 20
                    continue
                lateness.append(grab.captured_ns / 1e9 - float(grab.pts * grab.time_base))
                if len(lateness) == 1:
                    assert time.monotonic() - begun < 5
        finally:
            source.close()
        # What was read while connecting is caught up with: at the end no frame waits for another.
        assert min(lateness[-10:]) - min(lateness) < 0.3
