"""
The command `streamer` from a camera to its viewers: processes of their own, real peers only.

The camera shows colour bars. The model, one weighted sum of the colours, takes white, magenta, red
and blue for the subject, and yellow, cyan and green for the room.
"""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import numpy as np
import pytest

from streamer.serving.rtsp import Credentials
from tests.conftest import MakeModel
from tests.media.command import Command, Ended, Running, pictures, times
from tests.peers.fault_proxy import FaultProxy
from tests.peers.media_servers import ffmpeg_listener, free_port
from tests.peers.media_servers import gstreamer as gstreamer_server
from tests.peers.rtsp_camera import RtspCamera
from tests.peers.screen import Picture, Screen
from tests.peers.viewers import Viewer, ffmpeg, gstreamer
from tests.unit.serving.rtsp.client import Client
from tests.unit.sources.clips import encode

FPS = 25
SIZE = (320, 240)
CLIP_FPS = 15
STOP_S = 6
ROOM, SUBJECT = (68, 113, 160), (22, 205, 250)
"""Columns in the middle of the bars that are the one and the other."""
ROWS = slice(60, 80)


def bar(picture: Picture, column: int) -> np.ndarray:
    """The mean BGR of a patch."""
    return picture[ROWS, column - 8 : column + 8].mean(axis=(0, 1))


def is_anything(picture: Picture) -> bool:
    return True


def is_cutout(picture: Picture) -> bool:
    return all(bar(picture, column).max() < 16 for column in ROOM) and all(
        bar(picture, column).max() > 200 for column in SUBJECT
    )


def is_card(picture: Picture) -> bool:
    corner = picture[:20, :20].reshape(-1, 3)
    return 30 < corner.mean() < 50 and np.ptp(picture.max(axis=(0, 1)).astype(int)) < 16


def shows_room(picture: Picture) -> bool:
    return any(np.ptp(bar(picture, column)) > 40 for column in ROOM)


@pytest.fixture
def command(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
def model(make_model: MakeModel) -> str:
    return str(make_model(gain=8.0))


@pytest.fixture
def all_foreground(make_model: MakeModel) -> str:
    return str(make_model(gain=0.0, bias=20.0))


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    with RtspCamera(pattern="smpte") as camera:
        yield camera


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Four seconds, less a bit."""
    return encode(tmp_path / "clip.mp4", frames=59, size=SIZE, rate=CLIP_FPS)


def address() -> str:
    return f"rtsp://127.0.0.1:{free_port()}/masked"


def relay(command: Command, source: str, model: str, *more: str) -> list[str]:
    return ["relay", source, "--model", model, "--report", str(command.report_file), *more]


def is_offered(url: str) -> bool:
    """Whether the stream is there to be watched."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    address = (parts.hostname, parts.port)
    user = Credentials(parts.username, unquote(parts.password or "")) if parts.username else None
    try:
        socket.create_connection(address).close()
    except ConnectionRefusedError:
        return False
    with Client(address, parts.path, credentials=user) as client:
        return client.ask("DESCRIBE").status == 200


@contextmanager
def offered(command: Command, arguments: list[str], url: str) -> Iterator[Running]:
    """The command, once its stream can be watched."""
    with command.start(*arguments) as running:
        running.wait_for(lambda: is_offered(url))
        yield running


def interrupt(running: Running) -> Ended:
    """Ctrl-C, and how the command took it."""
    running.send(signal.SIGINT)
    ended = running.wait()
    assert ended.code == 0, ended.err
    assert ended.errors == []
    assert "Traceback" not in ended.err
    assert ended.seconds < STOP_S
    return ended


def rises(times_s: list[float]) -> bool:
    return all(earlier < later for earlier, later in pairwise(times_s))


@pytest.mark.parametrize(("viewer", "transport"), [(ffmpeg, "tcp"), (gstreamer, "udp")])
def test_players_see_the_camera_whole(
    command: Command,
    camera: RtspCamera,
    model: str,
    tmp_path: Path,
    viewer: Viewer,
    transport: str,
):
    url = address()
    with offered(command, relay(command, camera.url, model, "--serve", url), url) as running:
        seen = viewer(url, "h264", transport, 50, tmp_path)
        with Screen(url) as screen:
            screen.wait_for(is_cutout, 5)
        interrupt(running)
    assert seen.size == SIZE
    assert seen.rises()
    assert seen.complete(FPS) >= 0.95
    assert len(seen.times_s) >= 0.95 * 50
    assert all(map(is_cutout, screen.pictures))
    (sink,) = command.report()["sinks"]
    assert sink["viewers_in_all"] == 2
    assert sink["packets_dropped"] == sink["inbox_dropped"] == 0


def test_viewers_and_a_media_server_have_one_encoding(
    command: Command, camera: RtspCamera, model: str, tmp_path: Path
):
    url, got = address(), tmp_path / "got.mkv"
    with ffmpeg_listener("rtsp", got) as (target, listener):
        ways = ("--serve", url, "--publish", target)
        with offered(command, relay(command, camera.url, model, *ways), url) as running:
            seen = ffmpeg(url, "h264", "tcp", 50, tmp_path)
            interrupt(running)
        listener.wait(5)
    assert seen.size == SIZE
    assert seen.complete(FPS) >= 0.95
    (sink,) = command.report()["sinks"]
    assert sink["viewers_in_all"] == 1
    assert 50 <= sink["encoded"] <= command.report()["frames"]["emitted"]
    assert sink["packets"] + sink["drops"] == sink["encoded"], (
        "none was encoded for one of both alone"
    )
    assert len(times(got)) >= 0.9 * sink["packets"]
    assert next(pictures(got)).shape == (SIZE[1], SIZE[0], 3)


@pytest.mark.parametrize("size", ["320x240", "640x368"])
def test_a_viewer_stays_while_the_camera_is_away_and_never_sees_the_room(
    command: Command, model: str, size: str, tmp_path: Path
):
    url = address()
    sinks = [
        {"type": "rtsp", "serve": url, "layout": "cutout"},
        {"type": "record", "path": "out.mp4", "layout": "cutout"},
    ]
    reconnect = {"first_s": 0.2, "max_s": 0.5, "stall_s": 1.5}
    with RtspCamera(pattern="smpte") as first, FaultProxy(first.port) as proxy:
        source = {"type": "rtsp", "url": f"rtsp://127.0.0.1:{proxy.port}/live"}
        arguments = command.configure(
            source | {"reconnect": reconnect}, *sinks, model={"name": model}
        )
        with offered(command, arguments, url) as running, Screen(url) as screen:
            screen.wait_for(is_cutout, 5)
            proxy.become("refuse")
            screen.wait_for(is_card, 5)
            with RtspCamera(pattern="smpte", size=size) as second:
                proxy.target = second.port
                proxy.become("pass")
                screen.wait_for(is_cutout, 10)
                interrupt(running)
            assert screen.wait_end() == 0
    report = command.report()
    assert report["reconnects"] >= 1
    assert report["frames"]["standby"] >= 5
    assert report["sinks"][0]["viewers_in_all"] == 1, "it never had to come again"
    seen = screen.pictures
    assert not any(map(shows_room, seen))
    assert all(is_cutout(picture) or is_card(picture) for picture in seen)
    assert rises(screen.times_s)
    assert max(b - a for a, b in pairwise(screen.times_s)) < 1

    film = tmp_path / "out.mp4"
    recorded = [float(time_s) for time_s in times(film)]
    assert rises(recorded)
    assert max(b - a for a, b in pairwise(recorded)) < 1
    assert not any(map(shows_room, pictures(film)))
    # The run's wall time begins at the warm-up, before the camera has answered.
    assert recorded[-1] - recorded[0] == pytest.approx(report["wall_s"], abs=2)
    watched_s = screen.times_s[-1] - screen.times_s[0]
    assert watched_s < recorded[-1] - recorded[0] + 0.5


def test_two_streams_at_one_port_need_the_password_and_no_text_has_it(
    command: Command, model: str, tmp_path: Path
):
    place = f"127.0.0.1:{free_port()}"
    urls = {layout: f"rtsp://me:s3cr%40t@{place}/{layout}" for layout in ("cutout", "mask")}
    sinks = [{"type": "rtsp", "serve": url, "layout": layout} for layout, url in urls.items()]
    with RtspCamera(pattern="smpte", user="cam", password="c4mera-pw", digest=True) as camera:
        source = {"type": "rtsp", "url": camera.url_with_credentials}
        arguments = command.configure(source, *sinks, model={"name": model})
        with offered(command, ["--debug", "-v", *arguments], urls["mask"]) as running:
            running.wait_for(lambda: is_offered(urls["cutout"]))
            for url in urls.values():
                for viewer, transport in ((ffmpeg, "tcp"), (gstreamer, "udp")):
                    assert viewer(url, "h264", transport, 10, tmp_path).size == SIZE
                for wrong in (url.replace("me:s3cr%40t@", ""), url.replace("s3cr", "0ther")):
                    with pytest.raises(AssertionError, match="401"):
                        ffmpeg(wrong, "h264", "tcp", 1, tmp_path)
            with Screen(urls["mask"]) as mask:
                mask.wait_for(is_anything, 3)
            ended = interrupt(running)
    for picture in mask.pictures:
        assert [bar(picture, column).mean() < 16 for column in ROOM] == [True] * 3
        assert [bar(picture, column).mean() > 240 for column in SUBJECT] == [True] * 3
    said = ended.out + ended.err + json.dumps(command.report())
    assert "/mask: viewer 127.0.0.1" in said
    for secret in ("s3cr", "c4mera", "0ther"):
        assert secret not in said


def children(pid: int) -> list[int]:
    """The process's own processes."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    return [int(child) for task in tasks for child in (task / "children").read_text().split()]


def fragments(film: Path) -> int:
    return film.read_bytes().count(b"moof")


def test_a_mute_server_takes_nothing_from_the_recording_beside_it(
    command: Command, all_foreground: str, clip: Path
):
    with socket.create_server(("127.0.0.1", 0)) as mute:
        mute.settimeout(10)
        url = f"rtsp://joe:s3cret@127.0.0.1:{mute.getsockname()[1]}/live"
        source = {"type": "file", "path": str(clip), "realtime": True, "loop": True}
        sinks = [
            {"type": "record", "path": "out.mp4", "layout": "cutout"},
            {"type": "rtsp", "publish": url},
        ]
        arguments = command.configure(source, *sinks, model={"name": all_foreground})
        film = command.folder / "out.mp4"
        with command.start("--debug", *arguments) as running:
            connection, _ = mute.accept()
            with connection:
                # It has said what it wants to send, and is never answered.
                connection.settimeout(10)
                assert connection.recv(65536)
                begun = fragments(film)
                running.wait_for(lambda: fragments(film) >= begun + 3)
                publishing = children(running.process.pid)
                assert publishing
                ended = interrupt(running)
    report = command.report()
    record, published = report["sinks"]
    recorded = times(film)
    assert report["drops"]["overwritten"] == report["drops"]["sink_full"] == 0
    assert record["dropped"] == 0
    assert len(recorded) == record["frames"] == report["frames"]["emitted"] > 2 * CLIP_FPS
    assert report["frames"]["captured"] - len(recorded) <= 1, "but for one in hand at the stop"
    steps = [float(b - a) for a, b in pairwise(recorded)]
    assert max(steps) < 1.5 / CLIP_FPS
    assert report["wall_s"] == pytest.approx(len(recorded) / CLIP_FPS, abs=0.5)
    assert published["state"] == "ended"
    assert published["packets"] == 0
    assert not [pid for pid in publishing if Path(f"/proc/{pid}").exists()]
    assert "s3cret" not in ended.out + ended.err + json.dumps(report)


def test_a_gstreamer_server_takes_what_is_published(
    command: Command, all_foreground: str, clip: Path
):
    with gstreamer_server("joe", "s3cret") as server:
        url = f"rtsp://joe:s3cret@127.0.0.1:{server.port}/live"
        ended = command.run(*relay(command, str(clip), all_foreground, "--publish", url, "-v"))
        (sink,) = command.report()["sinks"]
        assert ended.code == 0, ended.err
        # What was on its way when the stream ended may be gone: it is torn down at once.
        wanted = round(0.9 * sink["packets"])
        assert server.wait_frames(wanted) >= wanted >= 2 * CLIP_FPS
    assert "s3cret" not in ended.out + ended.err + json.dumps(command.report())


@pytest.mark.parametrize("scheme", ["rtsp", "rtmp"])
def test_a_listening_ffmpeg_takes_what_is_published(
    command: Command, all_foreground: str, clip: Path, scheme: str
):
    got = command.folder / "got.mkv"
    with ffmpeg_listener(scheme, got) as (url, listener):
        ended = command.run(*relay(command, str(clip), all_foreground, "--publish", url))
        assert ended.code == 0, ended.err
        assert listener.wait(5) == 0
    (sink,) = command.report()["sinks"]
    seen = times(got)
    assert len(seen) >= 0.95 * sink["packets"] >= 2 * CLIP_FPS
    assert rises([float(time_s) for time_s in seen][1:])
    assert next(pictures(got)).shape == (SIZE[1], SIZE[0], 3)
    if scheme == "rtmp":
        assert "k3y" not in ended.out + ended.err + json.dumps(command.report())


def test_a_viewer_that_does_not_read_takes_nothing_from_the_others(
    command: Command, all_foreground: str
):
    port = free_port()
    url = f"rtsp://127.0.0.1:{port}/masked"
    # Noise, and hardly compressed: what the stalled one does not take soon is too much.
    sink = {"type": "rtsp", "serve": url, "layout": "cutout", "quality": 0, "preset": "ultrafast"}
    with RtspCamera(pattern="snow") as camera:
        source = {"type": "rtsp", "url": camera.url}
        arguments = command.configure(source, sink, model={"name": all_foreground})
        with (
            offered(command, ["-v", *arguments], url) as running,
            Screen(url) as first,
            Screen(url) as second,
            Client(("127.0.0.1", port), receive_buffer=4096) as stalled,
        ):
            first.wait_for(is_anything)
            second.wait_for(is_anything)
            stalled.watch()
            for screen in (first, second):
                screen.wait_for(is_anything, 2 * FPS)
            interrupt(running)
            for screen in (first, second):
                screen.wait_end()
    report = command.report()
    for screen in (first, second):
        sent = round((screen.times_s[-1] - screen.times_s[0]) * FPS) + 1
        assert sent - len(screen.times_s) <= sum(report["drops"].values())
    (told,) = report["sinks"]
    assert told["packets_dropped"] > 0, "the stalled one was too slow"
    assert told["viewers_in_all"] == 3
    assert told["inbox_dropped"] == told["dropped"] == 0


def test_ctrl_c_says_good_bye_to_everybody(
    command: Command, camera: RtspCamera, model: str, tmp_path: Path
):
    url = address()
    transports = ("tcp", "udp")
    with (
        offered(command, relay(command, camera.url, model, "--serve", url), url) as running,
        ThreadPoolExecutor(2) as pool,
        ExitStack() as stack,
    ):
        endless = [pool.submit(gstreamer, url, "h264", by, 10**6, tmp_path) for by in transports]
        screens = [stack.enter_context(Screen(url, by)) for by in transports]
        for screen in screens:
            screen.wait_for(is_cutout, FPS)
        ended = interrupt(running)
        # Each player ends by itself, and takes it for an end, not for a failure.
        assert [screen.wait_end() for screen in screens] == [0, 0]
        assert all(player.result().times_s for player in endless)
    assert str(command.report_file) in ended.out
    report = command.report()
    assert report["error"] is None
    assert report["sinks"][0]["viewers_in_all"] == 4
