from __future__ import annotations

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
from streamer.config import DEFAULT_SETTINGS, DisplaySinkConfig
from streamer.control.window import DisplaySink, window_problem
from streamer.core.metrics import LatencyHistogram
from streamer.errors import SinkError
from streamer.protocols import WindowSink
from streamer.sinks import Making, make_sink
from tests.unit.control.window.controls import FakeControls
from tests.unit.control.window.hosting import HOST, Host
from tests.unit.control.window.xvfb import virtual_screen
from tests.unit.sinks.scene import GREEN, RED, stream_info

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


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
        script = [sys.executable, str(HOST), str(tmp_path / folder), layout]
        hosts.append(Host.start(script, environment))
        hosts[-1].wait_for("ready")
        return hosts[-1]

    yield start_one
    for host in hosts:
        host.stop()


def columns(*colours: tuple[int, int, int]) -> Callable[[np.ndarray], bool]:
    """Whether the screen's upper left shows these colours, each 160 pixels wide and 240 high."""

    def seen(picture: np.ndarray) -> bool:
        return all(
            (picture[40:210, 160 * n + 10 : 160 * n + 150] == colour).all()
            for n, colour in enumerate(colours)
        )

    return seen


SIDE_BY_SIDE = columns(RED, BLACK, WHITE, BLACK)
CUTOUT = columns(RED, BLACK, BLACK, BLACK)
MASK = columns(WHITE, BLACK, BLACK, BLACK)
OVERLAY = columns((32, 89, 127), GREEN, BLACK, BLACK)
SOURCE = columns(RED, GREEN, BLACK, BLACK)
COMPOSITE = CUTOUT
"""Over the default background, black."""


def test_it_shows_the_cutout_and_the_mask_side_by_side(start: Callable[..., Host]):
    host = start()
    host.wait_for_screen(SIDE_BY_SIDE)
    assert host.said == ["ready"], "nothing else on stdout or stderr"


def test_m_goes_through_the_views_and_round(start: Callable[..., Host]):
    host = start()
    for view in (SIDE_BY_SIDE, CUTOUT, CUTOUT, MASK, OVERLAY, SOURCE, SIDE_BY_SIDE):
        host.wait_for_screen(view)
        host.press("m")


def test_m_begins_at_the_configured_layout(start: Callable[..., Host]):
    host = start("mask")
    for view in (MASK, OVERLAY, SOURCE, SIDE_BY_SIDE, CUTOUT, COMPOSITE, MASK):
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


def test_m_and_f_redraw_the_held_picture(start: Callable[..., Host]):
    host = start()
    host.press("space")
    host.wait_for("paused True")
    host.press("m")
    host.wait_for_screen(CUTOUT)
    host.press("f")
    host.wait_for_screen(lambda picture: not (picture[0:35, 0:160] == RED).all())


def test_f_shows_the_rate_and_h_the_help_over_a_darker_picture(start: Callable[..., Host]):
    host = start()
    host.wait_for_screen(lambda picture: (picture[0:35, 0:160] == RED).all())
    host.press("f")
    host.wait_for_screen(lambda picture: (picture[0:35, 0:160] == WHITE).all(axis=2).any())
    host.press("h")
    host.wait_for_screen(lambda picture: (picture[2:5, 2:5, 2] < 100).all())
    host.press("h")
    # Of two keys pressed within one poll OpenCV keeps the last.
    host.wait_for_screen(lambda picture: (picture[60:64, 2:5] == RED).all())
    host.press("f")
    host.wait_for_screen(lambda picture: (picture[0:35, 0:160] == RED).all())


def test_b_shows_the_backgrounds_in_a_view_that_has_them(start: Callable[..., Host]):
    host = start()
    host.wait_for_screen(SIDE_BY_SIDE)
    host.press("b")
    host.wait_for_screen(columns(RED, WHITE, BLACK, BLACK))


def test_a_picture_that_is_held_follows_the_settings(start: Callable[..., Host]):
    host = start("composite")
    host.wait_for_screen(columns(RED, BLACK, BLACK, BLACK))
    host.press("space")
    host.wait_for("paused True")
    host.press("b")
    host.wait_for_screen(columns(RED, WHITE, BLACK, BLACK))


def test_regions_are_drawn_with_the_mouse_on_a_window_of_another_size(
    start: Callable[..., Host],
):
    def is_darker(picture: np.ndarray) -> bool:
        return bool((abs(picture[20:40, 20:40] - (0, 0, 102.0)) < 2).all())

    host = start("mask")
    host.wait_for_screen(MASK)
    host.press("r")
    host.wait_for_screen(SOURCE)
    host.press("Escape")
    host.wait_for_screen(MASK)
    host.press("r")
    host.wait_for_screen(SOURCE)
    host.resize(640, 480)
    host.wait_for_screen(columns(RED, RED, GREEN, GREEN))
    host.drag((512, 384), (64, 48))
    host.wait_for_screen(is_darker)
    host.press("Return")
    assert host.wait_for("INFO") == "INFO preprocess: {roi: [[0.1, 0.1, 0.7, 0.7]]}"
    host.wait_for_screen(columns(WHITE, WHITE, BLACK, BLACK))
    host.press("r")
    host.wait_for_screen(is_darker)
    host.press("BackSpace")
    host.wait_for_screen(columns(RED, RED, GREEN, GREEN))
    host.press("Return")
    assert host.wait_for("INFO") == "INFO preprocess: {roi: null}"


def test_s_saves_the_shown_view_without_the_overlay(start: Callable[..., Host]):
    host = start()
    host.press("f")
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
        host = Host.start([sys.executable, str(HOST), str(tmp_path), "cutout"], environment)
        try:
            host.wait_for("ready")
        finally:
            host.stop()


WHOSE_EVENTS = """
import ctypes
from streamer.control.window.screen import prepare_windows

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
def test_a_server_that_does_not_admit_us_is_told_soon(
    monkeypatch: pytest.MonkeyPatch, answer: bytes | None, reason: str
):
    with tcp_server(answer) as display:
        monkeypatch.setenv("DISPLAY", display)
        started = time.monotonic()
        problem = window_problem()
    assert problem is not None
    assert reason in problem
    assert problem.endswith("set DISPLAY, or use a record or images sink")
    assert time.monotonic() - started < 5


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
        config, Making(settings=DEFAULT_SETTINGS, stream="s", latency=LatencyHistogram())
    )
    assert isinstance(sink, WindowSink)
    assert not sink.paused


def test_a_held_picture_goes_on_when_another_lets_the_stream_go_on():
    controls = FakeControls()
    sink = DisplaySink([Composer()])
    sink.control(controls)
    sink._press(" ")
    assert sink.paused
    assert controls.paused
    controls.resume()
    assert not sink.paused
    controls.pause()
    sink._press(" ")
    assert not sink.paused
    assert not controls.paused
