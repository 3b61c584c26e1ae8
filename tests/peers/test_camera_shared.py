"""Two streams of one real RTSP camera: it is connected to once, also after it was lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from streamer.config import parse_box
from streamer.host import Host
from tests.conftest import MakeModel
from tests.peers.fault_proxy import FaultProxy
from tests.peers.rtsp_camera import RtspCamera

STREAMS = ("door", "face")


def emitted(host: Host) -> list[int]:
    return [host.metrics(name).frames()["emitted"] for name in STREAMS]


def test_the_server_sees_one_connection(make_model: MakeModel) -> None:
    with RtspCamera(size="128x96") as camera, FaultProxy(camera.port) as network:
        source = {"type": "rtsp", "url": f"rtsp://127.0.0.1:{network.port}/live"}
        defaults: dict[str, Any] = {
            "source": source | {"reconnect": {"first_s": 0.2, "max_s": 0.8}},
            "model": {"name": str(make_model(size=32)), "providers": ["cpu"], "threads": 1},
            "sinks": [{"type": "discard"}],
        }
        cropped = {"preprocess": {"roi": [[8, 8, 32, 32]], "output": "cropped"}}
        host = Host(parse_box({"defaults": defaults, "streams": {"door": {}, "face": cropped}}))
        host.run(lost_once(host, network))
        assert network.accepted == 2
        for name in STREAMS:
            stream = host.stream(name)
            assert stream is not None
            assert stream.statistics().source.reconnects == 1


def lost_once(host: Host, network: FaultProxy) -> Callable[[], bool]:
    """Has the connection dropped when both streams have frames; true when both have more again."""
    reached: list[int] = []

    def are_back() -> bool:
        if not reached and min(emitted(host)) >= 10:
            assert network.accepted == 1
            network.drop()
            reached.extend(emitted(host))
        streams = [host.stream(name) for name in STREAMS]
        return bool(reached) and all(
            stream is not None and stream.statistics().source.reconnects and now >= then + 10
            for stream, now, then in zip(streams, emitted(host), reached, strict=True)
        )

    return are_back
