from __future__ import annotations

import queue
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ctypes.util import find_library
from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.compositing import Composer
from streamer.config import ComposeConfig, DisplaySinkConfig
from streamer.errors import SinkError
from streamer.metrics import LatencyHistogram
from streamer.protocols import WindowSink
from streamer.sinks import DisplaySink, make_sink, window_problem
from tests.unit.sinks.scene import GREEN, RED, stream_info
from tests.unit.sinks.xvfb import virtual_screen

HOST = Path(__file__).with_name("display_host.py")
CLOSER = Path(__file__).with_name("close_window.py")
BLACK, WHITE = (0, 0, 0), (255, 255, 255)
PATIENCE_S = 20


class Host:
    """A running `display_host.py`, its window and what it says."""

    def __init__(self, process: subprocess.Popen[str], environment: dict[str, str]) -> None:
        self._process = process
        self._environment = environment
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @classmethod
    def start(cls, arguments: list[str], environment: dict[str, str]) -> Host:
        process = subprocess.Popen(
            [sys.executable, str(HOST), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
        )
        return cls(process, environment)

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as spoken:
            for line in spoken:
                self._lines.put(line.strip())

    def stop(self) -> None:
        self._process.kill()
        self._process.wait(10)
        self._listener.join(10)

    def wait_for(self, beginning: str) -> str:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=0.2)
            except queue.Empty:
                continue
            self.said.append(line)
            if line.startswith(beginning):
                return line
        raise AssertionError(f"it never said {beginning!r}, but {self.said}")

    @property
    def window(self) -> str:
        return self._run("xdotool", "search", "--name", "^streamer$").decode().split()[-1]

    def press(self, key: str) -> None:
        self._run("xdotool", "key", "--window", self.window, key)

    def close_window(self) -> None:
        self._run(sys.executable, str(CLOSER), self.window)

    def screenshot(self) -> np.ndarray:
        shot = self._run("import", "-window", "root", "png:-")
        return cv2.imdecode(np.frombuffer(shot, np.uint8), cv2.IMREAD_COLOR)

    def wait_for_screen(self, seen: Callable[[np.ndarray], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not seen(picture := self.screenshot()):
            if time.monotonic() > deadline:
                raise AssertionError(f"the screen shows {picture[120, 40:640:80].tolist()}")
            time.sleep(0.1)

    def _run(self, *command: str) -> bytes:
        return subprocess.run(
            command, check=True, capture_output=True, env=self._environment, timeout=PATIENCE_S
        ).stdout


@pytest.fixture
def start(
    screen: str, tmp_path: Path, script_environment: dict[str, str]
) -> Iterator[Callable[..., Host]]:
    for tool in ("xdotool", "import"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed: apt-get install xdotool imagemagick")
    hosts: list[Host] = []

    def start_one(layout: str = "side_by_side", folder: str = "shots") -> Host:
        environment = script_environment | {"DISPLAY": screen}
        hosts.append(Host.start([str(tmp_path / folder), layout], environment))
        hosts[-1].wait_for("ready")
        return hosts[-1]

    yield start_one
    for host in hosts:
        host.stop()


def columns(*colours: tuple[int, int, int]) -> Callable[[np.ndarray], bool]:
    """Whether the screen's upper left shows these colours, each 160 pixels wide and 240 high."""

    def seen(picture: np.ndarray) -> bool:
        return all(
            (picture[40:230, 160 * n + 10 : 160 * n + 150] == colour).all()
            for n, colour in enumerate(colours)
        )

    return seen


SIDE_BY_SIDE = columns(RED, BLACK, WHITE, BLACK)
CUTOUT = columns(RED, BLACK, BLACK, BLACK)
MASK = columns(WHITE, BLACK, BLACK, BLACK)
SOURCE = columns(RED, GREEN, BLACK, BLACK)


def test_it_shows_the_cutout_and_the_mask_side_by_side(start: Callable[..., Host]):
    host = start()
    host.wait_for_screen(SIDE_BY_SIDE)
    assert host.said == ["ready"], "nothing else on stdout or stderr"


def test_m_goes_through_the_views_and_round(start: Callable[..., Host]):
    host = start()
    for view in (SIDE_BY_SIDE, CUTOUT, MASK, SOURCE, SIDE_BY_SIDE):
        host.wait_for_screen(view)
        host.press("m")


def test_m_begins_at_the_configured_layout(start: Callable[..., Host]):
    host = start("mask")
    for view in (MASK, SOURCE, SIDE_BY_SIDE, CUTOUT, MASK):
        host.wait_for_screen(view)
        host.press("m")


@pytest.mark.parametrize("key", ["q", "Escape"])
def test_q_and_escape_ask_for_the_end(start: Callable[..., Host], key: str):
    host = start()
    host.press(key)
    host.wait_for("StopRequested a key asked for the end")
    host.wait_for("closed")


def test_closing_the_window_asks_for_the_end(start: Callable[..., Host]):
    host = start()
    host.close_window()
    host.wait_for("StopRequested the window was closed")
    host.wait_for("closed")


def test_closing_the_window_while_paused_asks_for_the_end(start: Callable[..., Host]):
    host = start()
    host.press("space")
    host.wait_for("paused True")
    host.close_window()
    host.wait_for("StopRequested the window was closed")
    host.wait_for("closed")


def test_space_holds_the_picture_and_lets_it_go(start: Callable[..., Host]):
    host = start()
    host.press("space")
    held = host.wait_for("paused True").split()[-1]
    time.sleep(0.3)
    host.press("space")
    assert host.wait_for("paused False").split()[-1] == held
    host.press("q")
    host.wait_for("StopRequested")


def test_m_and_h_redraw_the_held_picture(start: Callable[..., Host]):
    host = start()
    host.press("space")
    host.wait_for("paused True")
    host.press("m")
    host.wait_for_screen(CUTOUT)
    host.press("h")
    host.wait_for_screen(lambda picture: not (picture[0:35, 0:160] == RED).all())


def test_h_shows_the_overlay_and_hides_it(start: Callable[..., Host]):
    host = start()
    host.wait_for_screen(lambda picture: (picture[0:35, 0:160] == RED).all())
    host.press("h")
    host.wait_for_screen(lambda picture: (picture[0:35, 0:160] == WHITE).all(axis=2).any())
    host.press("h")
    host.wait_for_screen(lambda picture: (picture[0:35, 0:160] == RED).all())


def test_s_saves_the_shown_view_without_the_overlay(start: Callable[..., Host]):
    host = start()
    host.press("h")
    host.wait_for_screen(lambda picture: not (picture[0:35, 0:160] == RED).all())
    host.press("s")
    path = Path(host.wait_for("INFO snapshot: ").removeprefix("INFO snapshot: "))
    picture = cv2.imread(str(path))
    assert picture is not None
    assert picture.shape == (240, 640, 3)
    assert columns(RED, BLACK, WHITE, BLACK)(picture)
    assert (picture[0:35, 0:160] == RED).all()
    assert [f.name for f in path.parent.iterdir()] == [path.name]


def test_a_snapshot_that_cannot_be_saved_is_a_warning(start: Callable[..., Host], tmp_path: Path):
    (tmp_path / "taken").write_bytes(b"")
    host = start(folder="taken")
    host.press("s")
    assert "is a file: choose another folder" in host.wait_for("WARNING no snapshot: ")
    host.press("q")
    host.wait_for("StopRequested")


def test_without_a_screen_it_is_an_error_and_no_abort(
    tmp_path: Path, script_environment: dict[str, str]
):
    host = subprocess.run(
        [sys.executable, str(HOST), str(tmp_path), "cutout"],
        check=True,
        capture_output=True,
        text=True,
        env=script_environment,
        timeout=30,
    )
    assert host.stdout == (
        "SinkError display: no screen: set DISPLAY, or use a record or images sink\n"
    )


def test_a_screen_that_is_gone_is_an_error_and_no_abort(
    tmp_path: Path, script_environment: dict[str, str]
):
    host = subprocess.run(
        [sys.executable, str(HOST), str(tmp_path), "cutout"],
        check=True,
        capture_output=True,
        text=True,
        env=script_environment | {"DISPLAY": ":9931"},
        timeout=30,
    )
    assert host.stdout.startswith(
        "SinkError display: no screen: there is no X server at DISPLAY=:9"
    )


def test_a_server_that_starts_anew_without_clients_does_not_lose_the_window(
    tmp_path: Path, script_environment: dict[str, str]
):
    with virtual_screen("-reset") as display:
        environment = script_environment | {"DISPLAY": display}
        host = Host.start([str(tmp_path), "cutout"], environment)
        try:
            host.wait_for("ready")
        finally:
            host.stop()


WHOSE_EVENTS = """
import ctypes
from streamer.sinks.screen import prepare_windows

class Found(ctypes.Structure):
    _fields_ = [("file", ctypes.c_char_p), *((n, ctypes.c_void_p) for n in ("base", "name", "at"))]

prepare_windows()
everywhere, found = ctypes.CDLL(None), Found()
everywhere.dladdr(everywhere.XSetEventQueueOwner, ctypes.byref(found))
print(found.file.decode())
everywhere.dladdr(ctypes.CDLL("libX11.so.6").XOpenDisplay, ctypes.byref(found))
print(found.file.decode())
"""


@pytest.mark.skipif(find_library("X11-xcb") is None, reason="apt-get install libx11-xcb1")
def test_xlib_takes_no_events_from_qt(script_environment: dict[str, str]):
    answer = subprocess.run(
        [sys.executable, "-c", WHOSE_EVENTS],
        check=True,
        capture_output=True,
        text=True,
        env=script_environment,
        timeout=30,
    )
    owner, xlib = (Path(line) for line in answer.stdout.splitlines())
    assert owner.parent == xlib.parent, "not of one build: windows stay black and keys are lost"


@contextmanager
def tcp_server(answer: bytes | None) -> Iterator[str]:
    """The DISPLAY of a server that says *answer* to whoever comes, or nothing at all."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        visitors: list[socket.socket] = []

        def serve() -> None:
            visitor, _ = server.accept()
            visitors.append(visitor)
            if answer is not None:
                visitor.recv(100)
                visitor.sendall(answer)
                visitor.shutdown(socket.SHUT_WR)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.getsockname()[1] - 6000}.0"
        thread.join(5)
        for visitor in visitors:
            visitor.close()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (None, "does not answer"),
        (b"\0\2\13\0\0\0\1\0no\0\0", "refuses us"),
        (b"\1", "there is no X server"),
    ],
    ids=["mute", "refusing", "broken"],
)
def test_a_server_that_does_not_admit_us_is_told_within_a_second(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, reason: str
):
    with tcp_server(answer) as display:
        monkeypatch.setenv("DISPLAY", display)
        started = time.monotonic()
        problem = window_problem()
    assert problem is not None
    assert reason in problem
    assert problem.endswith("set DISPLAY, or use a record or images sink")
    assert time.monotonic() - started < 1.5


def test_a_screen_that_is_there_is_no_problem(screen: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DISPLAY", screen)
    assert window_problem() is None


def test_a_display_that_is_no_address_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("DISPLAY", "nonsense")
    assert "DISPLAY=nonsense names no screen" in str(window_problem())


def test_another_thread_than_the_main_one_is_refused():
    refused: list[SinkError] = []

    def open_there() -> None:
        try:
            DisplaySink([Composer()]).open(stream_info())
        except SinkError as error:
            refused.append(error)

    thread = threading.Thread(target=open_there)
    thread.start()
    thread.join(10)
    assert "belongs to the main thread" in str(refused[0])


def test_the_factory_makes_a_window_sink():
    config = DisplaySinkConfig(type="display", layout="alpha")
    sink = make_sink(
        config, compose=ComposeConfig(), level=128, stream="s", latency=LatencyHistogram()
    )
    assert isinstance(sink, WindowSink)
    assert not sink.paused
