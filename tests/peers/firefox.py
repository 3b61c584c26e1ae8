"""Firefox without a window, and what it shows: Debian's own, which needs no driver."""

from __future__ import annotations

import base64
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.peers.browsing import GRAB
from tests.peers.steering import Remote, launched, steered
from tests.waiting import wait_for

Preferences = dict[str, bool | int | str]

KEYS = {"Right": "\ue014"}
"""WebDriver, 17.4.2: codes of keys that write nothing."""


class Window:
    """
    A window, without a page at first.

    Args:
        remote: a session of the browser, which has one window.
        url: of the page.
    """

    def __init__(self, remote: Remote, url: str) -> None:
        self._remote, self._url = remote, url
        (context,) = remote.ask("browsingContext.getTree")["contexts"]
        self._context = {"context": context["context"]}

    def open(self, path: str, width: int, height: int) -> None:
        """Load *path* of the page into a window of that size."""
        size = {"width": width, "height": height}
        self._browse("setViewport", viewport=size)
        self._browse("navigate", url=self._url + path, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """What *expression* of JavaScript is, or comes to."""
        found = self._remote.ask(
            "script.evaluate",
            expression=f"Promise.resolve({expression}).then((value) => JSON.stringify(value))",
            target=self._context,
            awaitPromise=True,
        )
        assert found["type"] == "success", found["exceptionDetails"]["text"]
        return json.loads(found["result"].get("value", "null"))

    def find(self, selector: str, text: str = "") -> dict[str, str]:
        """Wait for an element by CSS, the first that has exactly *text* if it is given."""
        found: list[dict[str, str]] = []

        def look() -> list[dict[str, str]]:
            locator = {"type": "css", "value": selector}
            nodes = self._browse("locateNodes", locator=locator)["nodes"]
            found[:] = [
                {"sharedId": node["sharedId"]}
                for node in nodes
                if not text or self._call("(one) => one.innerText.trim()", node) == text
            ]
            return found

        wait_for(look)
        return found[0]

    def shows(self, selector: str) -> bool:
        """Whether there is such an element, and it takes place."""
        return bool(
            self.evaluate(f"Boolean(document.querySelector({json.dumps(selector)})?.offsetWidth)")
        )

    def text(self, selector: str) -> str:
        """What an element says."""
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    def click(self, selector: str, text: str = "") -> None:
        """Click into the middle of an element with the mouse."""
        node = self.find(selector, text)
        self._call("(one) => one.scrollIntoView({ block: 'center' })", node)
        origin = {"type": "element", "element": node}
        self._act(
            {"type": "pointer", "id": "mouse"},
            {"type": "pointerMove", "x": 0, "y": 0, "origin": origin},
            {"type": "pointerDown", "button": 0},
            {"type": "pointerUp", "button": 0},
        )

    def press(self, key: str, times: int = 1) -> None:
        """Press a key where the focus is."""
        code = KEYS[key]
        stroke = [{"type": "keyDown", "value": code}, {"type": "keyUp", "value": code}]
        self._act({"type": "key", "id": "keyboard"}, *(stroke * times))

    def picture(self) -> np.ndarray:
        """The live picture, drawn to a canvas: (H, W, 3) uint8 BGR."""
        while (data := self.evaluate(f"({GRAB})()")) is None:
            self._remote.listen(0.05)
        return _decoded(data)

    def screenshot(self) -> np.ndarray:
        """All that the window shows, (H, W, 3) uint8 BGR."""
        return _decoded(self._browse("captureScreenshot")["data"])

    def wait_for(self, condition: Callable[[np.ndarray], object]) -> None:
        """Wait until *condition* holds of the picture."""

        def holds() -> object:
            self._remote.listen(0.1)
            return condition(self.picture())

        wait_for(holds)

    def moves(self) -> None:
        """Wait until the picture is another one."""
        first = self.picture()
        self.wait_for(lambda now: now.shape == first.shape and cv2.absdiff(now, first).max() > 40)

    def _browse(self, command: str, **parameters: Any) -> dict[str, Any]:
        return self._remote.ask(f"browsingContext.{command}", **self._context, **parameters)

    def _call(self, function: str, node: dict[str, Any]) -> Any:
        found = self._remote.ask(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"sharedId": node["sharedId"]}],
            target=self._context,
            awaitPromise=False,
        )
        return found["result"].get("value")

    def _act(self, source: dict[str, Any], *actions: dict[str, Any]) -> None:
        sequence = {**source, "actions": list(actions)}
        self._remote.ask("input.performActions", **self._context, actions=[sequence])


def _decoded(picture: str) -> np.ndarray:
    """A PNG in base64."""
    return cv2.imdecode(np.frombuffer(base64.b64decode(picture), np.uint8), cv2.IMREAD_COLOR)


@contextmanager
def firefox(
    folder: Path,
    url: str,
    path: str = "/",
    size: tuple[int, int] = (1280, 800),
    preferences: Preferences | None = None,
) -> Iterator[Window]:
    """
    A browser with *path* of *url* open; afterwards nothing must have gone wrong in it.

    Skips where it is not installed.

    Args:
        folder: for its profile.
        url: of the page.
        path: what is opened.
        size: of the window, width and height.
        preferences: settings of `about:config` that differ.
    """
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("firefox is not installed: apt-get install firefox-esr")
    profile = folder / "profile"
    profile.mkdir()
    lines = [
        f"user_pref({json.dumps(k)}, {json.dumps(v)});" for k, v in (preferences or {}).items()
    ]
    (profile / "user.js").write_text("\n".join(lines))
    flags = ["--headless", "--no-remote", "--remote-debugging-port=0", "--profile", str(profile)]
    wrong: list[str] = []

    def hear(event: str, told: dict[str, Any]) -> None:
        if event == "log.entryAdded" and told["level"] in ("error", "warn"):
            wrong.append(told["text"])
        elif event == "network.beforeRequestSent":
            asked = told["request"]["url"]
            if not asked.startswith((url, "data:", "blob:")):
                wrong.append(f"a request to {asked}")

    with (
        launched([program, *flags], folder) as browser,
        steered(f"{browser.address}/session", hear) as remote,
    ):
        remote.ask("session.new", capabilities={})
        window = Window(remote, url)
        remote.ask("session.subscribe", events=["log.entryAdded", "network.beforeRequestSent"])
        window.open(path, *size)
        yield window
    assert not wrong, wrong
