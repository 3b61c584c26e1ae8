"""Windows of other processes, looked at and pressed as a user does."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

HOST = Path(__file__).with_name("display_host.py")
CLOSER = Path(__file__).with_name("close_window.py")
PATIENCE_S = 20


class Host:
    """A running process with a window, `display_host.py` or another, and what it says."""

    def __init__(self, process: subprocess.Popen[str], environment: dict[str, str]) -> None:
        self._process = process
        self._environment = environment
        self._lines: queue.Queue[str] = queue.Queue()
        self.said: list[str] = []
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @classmethod
    def start(cls, command: list[str], environment: dict[str, str]) -> Host:
        process = subprocess.Popen(
            command,
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

    def wait_end(self) -> int:
        """Its exit code, and all that it said in `said`."""
        code = self._process.wait(PATIENCE_S)
        self._listener.join(PATIENCE_S)
        while not self._lines.empty():
            self.said.append(self._lines.get())
        return code

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
        return self._run("xdotool", "search", "--sync", "--name", "^streamer$").decode().split()[-1]

    def press(self, key: str) -> None:
        self._run("xdotool", "key", "--window", self.window, key)

    def drag(self, begin: tuple[int, int], end: tuple[int, int]) -> None:
        (x, y), (across, down) = (map(str, place) for place in (begin, end))
        press = ["mousemove", "--sync", x, y, "mousedown", "1"]
        self._run("xdotool", *press, "mousemove", "--sync", across, down, "mouseup", "1")

    def resize(self, width: int, height: int) -> None:
        self._run("xdotool", "windowsize", self.window, str(width), str(height))

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
