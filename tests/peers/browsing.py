"""Chromium without a window, and what it shows."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.waiting import PATIENCE_S, wait_for

expect.set_options(timeout=PATIENCE_S * 1000)

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

GRAB = """() => {
  const shown = document.querySelector("#picture :is(video, img):not([hidden])");
  const width = shown.videoWidth || shown.naturalWidth;
  const height = shown.videoHeight || shown.naturalHeight;
  if (!width) return null;
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  canvas.getContext("2d").drawImage(shown, 0, 0);
  return canvas.toDataURL("image/png").split(",")[1];
}"""


@dataclass
class Viewer:
    """A browser's window, and what went wrong in it."""

    page: Page
    url: str
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE_S * 1000)
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("console", self._hear)
        self.page.on("request", self._see)

    def picture(self) -> np.ndarray:
        """What is shown, (H, W, 3) uint8 BGR."""
        while (data := self.page.evaluate(GRAB)) is None:
            self.page.wait_for_timeout(50)
        return cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)

    def wait_for(self, condition: Callable[[np.ndarray], object]) -> None:
        """Wait until *condition* holds of the picture."""

        def holds() -> object:
            self.page.wait_for_timeout(100)  # Playwright hears of events only here
            return condition(self.picture())

        wait_for(holds)

    def moves(self) -> None:
        """Wait until the picture is another one."""
        first = self.picture()
        self.wait_for(lambda now: now.shape == first.shape and cv2.absdiff(now, first).max() > 40)

    def _hear(self, message: Any) -> None:
        # Without a GPU Chromium reads back what WebGL drew, and says so.
        if message.type in ("error", "warning") and "due to ReadPixels" not in message.text:
            self.wrong.append(message.text)

    def _see(self, request: Any) -> None:
        if not request.url.startswith((self.url, "data:", "blob:")):
            self.wrong.append(f"a request to {request.url}")


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser; skips where it is not installed."""
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield opened
        opened.close()


@contextmanager
def viewing(
    browser: Browser, url: str, path: str = "", script: str = "", **window: Any
) -> Iterator[Viewer]:
    """
    A window that shows *path* of *url*; afterwards nothing must have gone wrong in it.

    The page finds itself in a browser that *script* has changed.
    """
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **window})
    viewer = Viewer(context.new_page(), url)
    viewer.page.add_init_script(script)
    try:
        viewer.page.goto(url + path)
        yield viewer
    finally:
        context.close()
    assert not viewer.wrong, viewer.wrong
