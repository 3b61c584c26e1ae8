"""
How old a picture is when a player shows it, through the relay and through a plain copy.

A camera draws the time into each picture as black and white squares; the player is ffmpeg with no
buffer of its own, and the squares are read from the pictures that it decoded. Camera, route and
player are processes on this machine, so all of them read one monotonic clock.

- `relay`: camera → `streamer relay` (decoding, a one-node model, composing, encoding) → player
- `copy`: camera → `ffmpeg -c copy` → player, which does nothing to the pictures
- `direct`: camera → player
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.models import write_trivial_model
from benchmarks.reference import Limit, print_limits
from streamer.frame import Image, Stamp
from streamer.serving.rtsp import RtspServer
from streamer.sinks.shared.encoder import EncoderSettings, LiveEncoder

WIDTH, HEIGHT, FPS = 1280, 720, 30
SECONDS = 12
LATER_FRAMES = 3.0
"""Frame intervals by which the relay's 95th percentile may be above the direct one."""
SKIPPED_S = 3
"""At the beginning of each measurement: players and encoders settle."""
_SQUARE = 32
_BITS = 32
_PER_ROW = 16
_BASE = Fraction(1, 90_000)


def draw_time(image: Image, now_ms: int) -> None:
    """Write *now_ms* into the upper left corner, its lowest bit first."""
    for bit in range(_BITS):
        row, column = divmod(bit, _PER_ROW)
        square = np.s_[row * _SQUARE : (row + 1) * _SQUARE]
        across = np.s_[column * _SQUARE : (column + 1) * _SQUARE]
        image[square, across] = 255 if now_ms >> bit & 1 else 0


def read_time(luma: np.ndarray) -> int:
    """The time in a decoded picture, (H, W) uint8."""
    half = _SQUARE // 2
    middles = luma[half : 2 * _SQUARE : _SQUARE, half : _PER_ROW * _SQUARE : _SQUARE].ravel()
    return sum(1 << bit for bit, level in enumerate(middles) if level > 127)


def now_ms() -> int:
    """Monotonic milliseconds, as many as the squares hold."""
    return time.monotonic_ns() // 1_000_000 & (1 << _BITS) - 1


def camera() -> None:
    """Serve the clock as an RTSP camera until stdin ends; says its URL first."""
    server = RtspServer("127.0.0.1", 0)
    server.start()
    settings = EncoderSettings(encoder="software", preset="ultrafast")
    encoder = LiveEncoder(WIDTH, HEIGHT, _BASE, Fraction(FPS), settings)
    image = np.full((HEIGHT, WIDTH, 3), 96, np.uint8)
    stop = threading.Event()

    def stop_with_stdin() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=stop_with_stdin, daemon=True).start()
    mount, index, begun = None, 0, time.monotonic()
    while not stop.wait(max(0.0, begun + index / FPS - time.monotonic())):
        moving = index * 8 % (WIDTH - 200)
        image[200:] = 96
        image[300:500, moving : moving + 200] = (40, 180, 220)
        draw_time(image, now_ms())
        stamp = Stamp(index, index * 90_000 // FPS, _BASE, time.monotonic_ns(), 0)
        key = mount is not None and mount.take_key_request()
        for packet in encoder.encode(image, stamp, key=key):
            if mount is None:
                mount = server.mount("/clock", encoder.track)
                print(f"rtsp://127.0.0.1:{server.address[1]}/clock", flush=True)
            mount.send_video(packet)
        index += 1
    server.stop()


@contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that ends with the block."""
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=20)


def latencies_ms(player: subprocess.Popen[bytes]) -> list[int]:
    """The age of each picture that the player decodes, in milliseconds, after it has settled."""
    assert player.stdout is not None
    size = WIDTH * HEIGHT
    ages: list[int] = []
    begun = None
    while begun is None or time.monotonic() - begun < SECONDS:
        data = player.stdout.read(size)
        if len(data) < size:
            raise SystemExit("the player ended early")
        age = now_ms() - read_time(np.frombuffer(data, np.uint8).reshape(HEIGHT, WIDTH))
        begun = begun or time.monotonic()
        if time.monotonic() - begun > SKIPPED_S:
            ages.append(age)
    return ages


def player(url: str, *options: str) -> list[str]:
    """ffmpeg as a player that waits for nothing: grey pictures on stdout."""
    return [
        *("ffmpeg", "-v", "error", "-fflags", "nobuffer", "-flags", "low_delay"),
        *("-probesize", "32", "-analyzeduration", "0", *options, "-i", url),
        *("-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-"),
    ]


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def wait_for(port: int) -> None:
    """Until somebody listens there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise SystemExit(f"nothing listens at port {port}")


def direct(camera_url: str, stack: ExitStack) -> list[int]:
    """Camera to player."""
    return latencies_ms(stack.enter_context(running(*player(camera_url, "-rtsp_transport", "tcp"))))


def copied(camera_url: str, stack: ExitStack) -> list[int]:
    """Through `ffmpeg -c copy`, which publishes into a player that listens."""
    url = f"rtsp://127.0.0.1:{free_port()}/copy"
    watching = stack.enter_context(running(*player(url, "-rtsp_flags", "listen")))
    time.sleep(1)  # the player accepts one connection, so it cannot be asked whether it listens
    stack.enter_context(
        running(
            *("ffmpeg", "-v", "error", "-fflags", "nobuffer", "-flags", "low_delay"),
            *("-rtsp_transport", "tcp", "-i", camera_url, "-c", "copy"),
            *("-f", "rtsp", "-rtsp_transport", "tcp", url),
        )
    )
    return latencies_ms(watching)


def relayed(camera_url: str, stack: ExitStack) -> list[int]:
    """Through the relay, with a model of one node."""
    folder = Path(stack.enter_context(TemporaryDirectory()))
    model = write_trivial_model(folder / "model.onnx")
    port = free_port()
    url = f"rtsp://127.0.0.1:{port}/relay"
    stack.enter_context(
        running(
            *(sys.executable, "-m", "streamer", "relay", camera_url, "--serve", url),
            *("--model", str(model), "--layout", "source"),
        )
    )
    wait_for(port)
    time.sleep(2)  # for the first frame to be encoded: before, there is no such path
    return latencies_ms(stack.enter_context(running(*player(url, "-rtsp_transport", "tcp"))))


ROUTES: dict[str, Callable[[str, ExitStack], list[int]]] = {
    "direct": direct,
    "copy": copied,
    "relay": relayed,
}


def main() -> int:
    """Measure every route twice, in turns, and print what was seen; 1 when it took too long."""
    if shutil.which("ffmpeg") is None:
        print("latency: ffmpeg is not installed: not measured")
        return 0
    print(f"Camera to player over TCP, {WIDTH}x{HEIGHT} at {FPS}/s, {SECONDS - SKIPPED_S} s a turn")
    ages: dict[str, list[int]] = {name: [] for name in ROUTES}
    for _ in range(2):
        for name, route in ROUTES.items():
            with running(sys.executable, "-m", "benchmarks.relay_latency", "--camera") as source:
                assert source.stdout is not None
                url = source.stdout.readline().decode().strip()
                with ExitStack() as stack:
                    ages[name] += route(url, stack)
    print("\n| route | p50 ms | p95 ms | p99 ms | pictures/s |\n|---|---|---|---|---|")
    for name, found in ages.items():
        p50, p95, p99 = np.percentile(found, [50, 95, 99])
        rate = len(found) / 2 / (SECONDS - SKIPPED_S)
        print(f"| {name} | {p50:.0f} | {p95:.0f} | {p99:.0f} | {rate:.1f} |")
    direct_ms, relay_ms = (float(np.percentile(ages[name], 95)) for name in ("direct", "relay"))
    later = (relay_ms - direct_ms) * FPS / 1000
    print()
    return print_limits(
        [Limit("relay: p95 beyond direct, frame intervals", later, "<=", LATER_FRAMES)]
    )


if __name__ == "__main__":
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--camera", action="store_true")
    if arguments.parse_args().camera:
        camera()
    else:
        raise SystemExit(main())
