"""
A real camera behind a bad network: the run recovers by itself, or ends in its typed error.

The camera is GStreamer's RTSP server; `FaultProxy` is the network. Frames carry their number.
"""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import pytest

from streamer import Pipeline
from streamer.config import RtspSourceConfig, StandbyConfig, parse_config
from streamer.engine import Standby
from streamer.errors import (
    SourceAuthError,
    SourceError,
    SourceLost,
    SourceNotFound,
    SourceRefused,
    SourceTimeout,
    SourceTlsError,
    StageFailed,
)
from streamer.frame import Frame, Matte
from streamer.matting import EveryFrame
from streamer.sources import make_source
from tests.conftest import MakeModel
from tests.fakes import FakeSegmenter, FakeSink
from tests.peers.fault_proxy import Fault, FaultProxy
from tests.peers.installed import require
from tests.peers.rtsp_camera import RtspCamera
from tests.unit.sources.clips import encode
from tests.unit.sources.tiny_rtsp import TinyRtsp, rtp_packets

FIRST_S, MAX_S, STALL_S = 0.2, 0.8, 1.5
RECOVERY_S = MAX_S * 1.2 + 2


class Watching(FakeSink):
    """Also keeps each picture's size."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[tuple[int, int]] = []

    def write(self, frame: Frame, matte: Matte) -> None:
        super().write(frame, matte)
        self.sizes.append((frame.image.shape[1], frame.image.shape[0]))

    @property
    def real(self) -> int:
        """How many frames of the camera came."""
        return sum(not stamp.standby for stamp in list(self.stamps))


class Run:
    """A pipeline on one RTSP URL, with a quick policy."""

    def __init__(self, url: str, segmenter: FakeSegmenter | None = None, **fields: Any) -> None:
        policy = {"first_s": FIRST_S, "max_s": MAX_S, "healthy_s": 2, "stall_s": STALL_S}
        config = RtspSourceConfig.model_validate(
            {
                "type": "rtsp",
                "url": url,
                "open_timeout_s": 2,
                "read_timeout_s": 2,
                "reconnect": policy | fields.pop("reconnect", {}),
                **fields,
            }
        )
        self.sink = Watching()
        self.pipeline = Pipeline(
            make_source(config),
            EveryFrame(segmenter or FakeSegmenter()),
            [self.sink],
            fresh=partial(make_source, config),
            reconnect=config.reconnect,
            standby=Standby(StandbyConfig()),
        )

    @property
    def state(self) -> str:
        return self.pipeline.statistics().source.state

    def wait_for(self, condition: Callable[[], bool], within_s: float = 8.0) -> float:
        """Wait for *condition*; how long it took."""
        began = time.monotonic()
        while not condition():
            assert time.monotonic() - began < within_s, self.pipeline.report()
            assert self.pipeline.statistics().running, self.pipeline.report()
            time.sleep(0.01)
        return time.monotonic() - began

    def more_frames(self, number: int = 5, within_s: float = 8.0) -> float:
        target = self.sink.real + number
        return self.wait_for(lambda: self.sink.real >= target, within_s)

    def lost(self) -> None:
        self.wait_for(lambda: self.state in ("stalled", "reconnecting"))

    def assert_in_order(self) -> None:
        stamps = self.sink.stamps
        assert all(a.pts < b.pts for a, b in pairwise(stamps))
        assert all(a.index < b.index for a, b in pairwise(stamps))
        assert all(a.epoch <= b.epoch for a, b in pairwise(stamps))
        assert len({stamp.time_base for stamp in stamps}) == 1
        report = self.pipeline.report()
        lost = sum(report["drops"].values())
        assert report["frames"]["captured"] == report["frames"]["emitted"] + lost
        assert self.pipeline.abandoned == ()


@contextmanager
def running(run: Run) -> Iterator[Run]:
    with run.pipeline:
        run.pipeline.start()
        yield run
    run.assert_in_order()


def handles() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - only its length is wanted


@pytest.fixture(autouse=True)
def nothing_is_left_open() -> Iterator[None]:
    """No socket, file or thread more than before, once the connections have been closed."""
    before, threads = handles(), threading.active_count()
    yield
    deadline = time.monotonic() + 4
    while handles() > before or threading.active_count() > threads:
        assert time.monotonic() < deadline, (handles(), before, threading.enumerate())
        time.sleep(0.02)


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    with RtspCamera(counter=True) as camera:
        yield camera


@pytest.fixture
def proxy(camera: RtspCamera) -> Iterator[FaultProxy]:
    with FaultProxy(camera.port) as proxy:
        yield proxy


def url(proxy: FaultProxy) -> str:
    return f"rtsp://127.0.0.1:{proxy.port}/live"


@pytest.mark.parametrize("codec", ["h264", "h265", "mjpeg"])
@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_frames_come_by_every_codec_and_transport(codec: str, transport: str) -> None:
    with (
        RtspCamera(codec=codec, counter=True) as own,
        running(Run(own.url, transport=transport)) as run,
    ):
        run.more_frames(15)
    assert set(run.sink.sizes) == {(320, 240)}
    assert run.pipeline.report()["reconnects"] == 0


@pytest.mark.parametrize("fault", ["freeze", "reset", "end", "garbage", "refuse"])
def test_a_fault_in_the_middle_is_survived(proxy: FaultProxy, fault: Fault) -> None:
    with running(Run(url(proxy))) as run:
        run.more_frames()
        proxy.become(fault)
        run.lost()
        standby_s = run.wait_for(lambda: run.sink.stamps[-1].standby)
        time.sleep(0.5)
        proxy.drop()
        proxy.become("pass")
        recovery_s = run.more_frames(1)
    assert standby_s < 2
    assert recovery_s < RECOVERY_S
    report = run.pipeline.report()
    assert report["reconnects"] >= 1
    assert report["frames"]["standby"] >= 3
    assert report["source"]["away_s"] > 0.5


@pytest.mark.parametrize("fault", ["mute", "refuse", "reset", "end", "garbage"])
def test_a_camera_that_is_not_there_at_the_start_is_waited_for(
    proxy: FaultProxy, fault: Fault
) -> None:
    proxy.become(fault)
    with running(Run(url(proxy))) as run:
        run.wait_for(lambda: fault == "refuse" or proxy.accepted > 0)
        time.sleep(0.3)
        assert run.state == "connecting"
        proxy.drop()
        proxy.become("pass")
        assert run.more_frames(1) < RECOVERY_S
    assert not any(stamp.standby for stamp in run.sink.stamps)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ("mute", SourceTimeout),
        ("refuse", SourceRefused),
        ("reset", SourceRefused),
        ("end", SourceRefused),
        ("garbage", SourceTimeout),
    ],
)
def test_with_a_limit_a_camera_that_is_not_there_ends_the_run_in_its_error(
    proxy: FaultProxy, fault: Fault, kind: type[SourceError]
) -> None:
    proxy.become(fault)
    run = Run(url(proxy), reconnect={"max_attempts": 2})
    with pytest.raises(StageFailed) as failure:
        run.pipeline.run()
    assert type(failure.value.__cause__) is kind
    assert failure.value.exit_code == 3


@pytest.mark.parametrize(
    ("fault", "kind"),
    [("freeze", SourceTimeout), ("reset", SourceLost), ("end", SourceLost)],
)
def test_without_attempts_a_loss_ends_the_run_in_its_error(
    proxy: FaultProxy, fault: Fault, kind: type[SourceError]
) -> None:
    run = Run(url(proxy), reconnect={"max_attempts": 0})
    run.pipeline.start()
    run.more_frames()
    proxy.become(fault)
    with pytest.raises(StageFailed) as failure:
        run.pipeline.join()
    assert isinstance(failure.value.__cause__, kind)


def test_twenty_quick_drops_are_survived(proxy: FaultProxy) -> None:
    with running(Run(url(proxy), reconnect={"healthy_s": 0, "max_s": FIRST_S})) as run:
        for number in range(20):
            run.wait_for(lambda: run.state == "live")
            proxy.drop(reset=bool(number % 2))
            run.lost()
        run.more_frames(3)
    assert run.pipeline.report()["reconnects"] == 20
    assert [stamp.epoch for stamp in run.sink.stamps if not stamp.standby][-1] == 20


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_that_comes_back_with_another_size_goes_on(transport: str) -> None:
    with (
        RtspCamera(counter=True) as first,
        running(Run(first.url, transport=transport)) as run,
    ):
        run.more_frames()
        first.stop()
        run.lost()
        with RtspCamera(first.port, counter=True, size="640x368"):
            run.more_frames()
    sizes = [size for size, s in zip(run.sink.sizes, run.sink.stamps, strict=True) if not s.standby]
    assert (sizes[0], sizes[-1]) == ((320, 240), (640, 368))


def test_real_time_passes_in_the_stamps_while_the_camera_is_away(proxy: FaultProxy) -> None:
    with running(Run(url(proxy))) as run:
        run.more_frames()
        proxy.become("refuse")
        run.lost()
        time.sleep(1.5)
        proxy.become("pass")
        run.more_frames()
    by_epoch = {s.epoch: s for s in run.sink.stamps if not s.standby and s.epoch == 0}
    last = by_epoch[0]
    first = next(s for s in run.sink.stamps if s.epoch == 1)
    passed_s = (first.captured_ns - last.captured_ns) / 1e9
    assert passed_s > 1.5
    assert first.pts_s - last.pts_s == pytest.approx(passed_s, abs=0.05)


@pytest.mark.parametrize("digest", [False, True])
def test_user_and_password_are_taken_as_they_are_written(digest: bool) -> None:
    secrets = {"user": "me", "password": "p@ss: /%w?"}
    with RtspCamera(digest=digest, counter=True, **secrets) as own:
        for fields in (
            {"url": own.url, "username": "me", "password": secrets["password"]},
            {"url": own.url_with_credentials},
        ):
            with running(Run(**fields)) as run:
                run.more_frames(1)
        refused(SourceAuthError, own.url)
        said = refused(SourceAuthError, own.url, username="me", password="s3cret")
    assert "s3cret" not in said


def refused(kind: type[SourceError], url: str, **fields: Any) -> str:
    """What a run says that may try once."""
    run = Run(url, reconnect={"max_attempts": 1}, **fields)
    with pytest.raises(StageFailed) as failure:
        run.pipeline.run()
    assert type(failure.value.__cause__) is kind, failure.value
    return str(failure.value)


def test_a_stream_that_does_not_exist_is_not_found(camera: RtspCamera) -> None:
    assert "404" in refused(SourceNotFound, camera.url.replace("live", "nowhere"))


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RtspCamera, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = make_certificate(folder)
    with RtspCamera(certificate=str(certificate), key=str(key), counter=True) as camera:
        yield camera, certificate


def make_certificate(folder: Path) -> tuple[Path, Path]:
    import subprocess

    require("openssl", "openssl")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-keyout", str(key), "-out", str(certificate), "-subj", "/CN=127.0.0.1"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@pytest.mark.parametrize("how", ["trusted", "unchecked"])
def test_frames_come_over_tls(secure: tuple[RtspCamera, Path], how: str) -> None:
    camera, certificate = secure
    fields = {"tls_ca": str(certificate)} if how == "trusted" else {"tls_verify": False}
    with running(Run(camera.url, **fields)) as run:
        run.more_frames(3)


def test_a_certificate_that_is_not_trusted_is_refused(secure: tuple[RtspCamera, Path]) -> None:
    assert "tls_ca" in refused(SourceTlsError, secure[0].url)


def test_a_server_without_tls_is_refused_over_tls(camera: RtspCamera) -> None:
    refused(SourceTlsError, camera.url.replace("rtsp:", "rtsps:"))


def test_a_clock_that_is_set_back_in_the_stream_makes_no_leap_here(tmp_path: Path) -> None:
    packets = rtp_packets(encode(tmp_path / "clip.ts", frames=40))
    before, after = packets[: len(packets) // 2], packets[len(packets) // 2 :]
    hour = 3600 * 90_000
    for number, packet in enumerate(after):
        earlier = (int.from_bytes(packet[4:8], "big") - hour) % 2**32
        after[number] = packet[:4] + earlier.to_bytes(4, "big") + packet[8:]
    server = TinyRtsp(before + after, hangs_up=True)
    run = Run(server.url, reconnect={"max_attempts": 0})
    try:
        with pytest.raises(StageFailed, match="ended the stream"):
            run.pipeline.run()
    finally:
        server.close()
    run.assert_in_order()
    times = [stamp.pts_s for stamp in run.sink.stamps]
    assert len(times) >= 3
    assert times[-1] - times[0] < 2


def test_frames_do_not_age_behind_a_slow_model(camera: RtspCamera) -> None:
    model_s = 0.15
    slow = FakeSegmenter(lambda image: time.sleep(model_s))
    ages: list[float] = []
    run = Run(camera.url, slow)
    run.sink._on_write = lambda frame: ages.append(
        (time.monotonic_ns() - frame.stamp.captured_ns) / 1e9
    )
    with running(run):
        run.more_frames(30, within_s=15)
    capacity = 4
    assert max(ages) < (capacity + 2) * model_s + 0.3
    assert sum(ages[-10:]) / 10 < sum(ages[5:15]) / 10 + model_s
    assert run.pipeline.report()["drops"]["overwritten"] > 30


def test_a_recording_goes_on_in_real_time_while_the_camera_is_away(
    proxy: FaultProxy, make_model: MakeModel, tmp_path: Path
) -> None:
    config = parse_config(
        {
            "source": {"type": "rtsp", "url": url(proxy), "reconnect": {"first_s": FIRST_S}},
            "model": {"name": str(make_model()), "providers": ["cpu"]},
            "sinks": [{"type": "record", "path": str(tmp_path / "out.mp4")}],
        }
    )
    with Pipeline.from_config(config) as run:
        run.start()
        began = time.monotonic()
        for fault, count, number in (("pass", "emitted", 10), ("refuse", "standby", 6)):
            proxy.become(fault)
            target = run.statistics().frames[count] + number
            while run.statistics().frames[count] < target:
                assert time.monotonic() - began < 20
                time.sleep(0.01)
        proxy.become("pass")
        while not run.statistics().source.reconnects:
            assert time.monotonic() - began < 20
            time.sleep(0.01)
        back = time.monotonic() - began
        time.sleep(0.5)
    with av.open(str(tmp_path / "out.mp4")) as film:
        pictures = [(frame.time, frame.to_ndarray(format="gray")) for frame in film.decode(video=0)]
    times = [at for at, _ in pictures]
    assert max(b - a for a, b in pairwise(times)) < 1
    assert times[-1] == pytest.approx(back + 0.5, abs=1.5)
    cards = [picture for _, picture in pictures if 30 < picture[5, 5] < 50]
    assert len(cards) >= 5
    assert cards[0][:, :320].max() > 120, "it says why"
    assert cards[0][:, 320:].max() < 20, "and has no mask"


def test_a_stop_while_the_camera_is_mute_is_quick(proxy: FaultProxy) -> None:
    patient = {"read_timeout_s": 30, "reconnect": {"stall_s": 30}}
    with running(Run(url(proxy), **patient)) as run:
        run.more_frames(1)
        proxy.become("freeze")
        time.sleep(0.2)
        began = time.monotonic()
        run.pipeline.stop()
        run.pipeline.join()
        assert time.monotonic() - began < 10
        proxy.drop()
        run_ended = time.monotonic() + 3
        while run.pipeline.abandoned and time.monotonic() < run_ended:
            time.sleep(0.01)
