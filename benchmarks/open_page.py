"""
The page, left open in Chromium: what it takes over time, what it shows, and whether it comes back.

The browser is steered by its DevTools protocol alone, and of that only by what keeps nothing: a
driver such as Playwright has it keep the bodies of answers, which grow with every event.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from tests.peers.steering import Remote, launched, steered

WAIT_S = 60.0
DOWN_S = 4.0
"""Without a program, so that the page has seen it is gone."""
CALM = 0.25
"""Of a turn: after it what the view before has left is gone."""
ALL = "all"

COUNT_FRAMES = """(() => {
  const known = new WeakSet();
  window.framesShown = 0;
  const count = (video) => video.requestVideoFrameCallback(() => {
    window.framesShown++;
    count(video);
  });
  setInterval(() => {
    for (const video of document.querySelectorAll("video")) {
      if (!known.has(video)) count(video);
      known.add(video);
    }
  }, 250);
})()"""
LOOK = """(() => {
  const walker = document.createTreeWalker(document);
  let nodes = 1;
  while (walker.nextNode()) nodes++;
  const by_jpeg = document.querySelectorAll(".picture img:not([hidden])").length;
  return JSON.stringify({ nodes, by_jpeg, shown: window.framesShown });
})()"""


@dataclass(frozen=True, slots=True)
class PageSample:
    """The browser at one moment."""

    at_s: float
    view: str
    """The stream that is shown, or `all`."""
    calm: bool
    """Whether the view has been shown for a while."""
    heap_mb: float
    """What the page's JavaScript holds, after a collection."""
    memory_mb: float
    """
    Of all processes of the browser, what they share counted once. Pages of its program's files are
    left out: their part depends on whether another browser runs.
    """
    held: int
    """Nodes that are not in the document: parts of controls, and those that were removed."""
    shown: int
    """Frames of video since the beginning."""
    by_jpeg: int
    """Pictures that are not shown by video."""


class OpenPage:
    """
    A window that shows one stream, and for a third of the time all.

    Args:
        remote: the window's connection.
        pid: the browser.
        url: of the page.
        stream: what it shows.
        turn_s: all streams are shown for one turn of three.
    """

    def __init__(self, remote: Remote, pid: int, url: str, stream: str, turn_s: float) -> None:
        self._remote, self._pid, self._turn_s, self._stream = remote, pid, turn_s, stream
        self._view, self._since_s = stream, 0.0
        self.samples: list[PageSample] = []
        for domain in ("Runtime", "Log", "Performance", "Page"):
            remote.ask(f"{domain}.enable")
        remote.ask("Page.addScriptToEvaluateOnNewDocument", source=COUNT_FRAMES)
        remote.ask("Page.navigate", url=f"{url}/#{stream}")

    def look(self, at_s: float) -> None:
        """Take a sample, and change the view when it is due."""
        self.samples.append(self._sample(at_s))
        view = ALL if int(at_s / self._turn_s) % 3 == 2 else self._stream
        if view != self._view:
            self._evaluate(f"location.hash = {json.dumps('' if view == ALL else view)}")
            self._view, self._since_s = view, at_s

    def comes_back(self) -> float:
        """Seconds until pictures move again, by themselves; infinite if they do not in a minute."""
        began_s = time.monotonic()
        shown = self._look()["shown"]
        while (passed_s := time.monotonic() - began_s) < WAIT_S:
            if self._look()["shown"] > shown + 15:
                return passed_s
            self._remote.listen(0.25)
        return math.inf

    def is_away(self) -> bool:
        """Whether the page says that there is no connection."""
        self._remote.listen(DOWN_S)
        return "No connection" in str(
            self._evaluate("document.getElementById('status').textContent")
        )

    def _sample(self, at_s: float) -> PageSample:
        self._remote.ask("HeapProfiler.collectGarbage")
        metrics = self._remote.ask("Performance.getMetrics")["metrics"]
        found = {metric["name"]: metric["value"] for metric in metrics}
        look = self._look()
        return PageSample(
            at_s,
            self._view,
            at_s - self._since_s >= CALM * self._turn_s,
            found["JSHeapUsedSize"] / 2**20,
            sum(map(memory_mb, tree(self._pid))),
            int(found["Nodes"]) - look["nodes"],
            look["shown"],
            look["by_jpeg"],
        )

    def _look(self) -> dict[str, int]:
        found: dict[str, int] = json.loads(self._evaluate(LOOK))
        return found

    def _evaluate(self, expression: str) -> Any:
        found = self._remote.ask("Runtime.evaluate", expression=expression, returnByValue=True)
        return found["result"].get("value")


def tree(pid: int) -> list[int]:
    """A process and all that come from it."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(path.parent.name)] = int(path.read_text().rsplit(")", 1)[1].split()[1])
    found = [pid]
    for one in found:  # it grows meanwhile
        found += [child for child, parent in parents.items() if parent == one]
    return found


def memory_mb(pid: int) -> float:
    """Its share of memory that no file stands behind; 0 of a process that has ended."""
    with suppress(OSError):
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        return sum(map(int, re.findall(r"Pss_(?:Anon|Shmem):\s+(\d+)", rollup))) / 1024
    return 0.0


@contextmanager
def open_page(
    program: str, url: str, stream: str, turn_s: float, wrong: list[str]
) -> Iterator[OpenPage]:
    """
    *program* without a window of its own, with the page open as soon as it can be had.

    What the page's console says goes to *wrong*: errors, warnings, and what was thrown.
    """
    from tests.peers.browsing import FLAGS

    def hear(event: str, told: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            wrong.append(json.dumps(told["exceptionDetails"]))
        elif event == "Runtime.consoleAPICalled" and told["type"] in ("error", "warning"):
            wrong.append(json.dumps(told["args"]))
        elif event == "Log.entryAdded" and told["entry"]["level"] in ("error", "warning"):
            wrong.append(f"{told['entry']['text']} {told['entry'].get('url', '')}")

    wait_for_server(url)
    with TemporaryDirectory(prefix="streamer-", ignore_cleanup_errors=True) as folder:
        flags = [*FLAGS, "--headless", "--disable-breakpad", "--remote-debugging-port=0"]
        command = [program, *flags, f"--user-data-dir={folder}", "about:blank"]
        with (
            launched(command, Path(folder)) as browser,
            steered(window_of(browser.address), hear) as remote,
        ):
            yield OpenPage(remote, browser.pid, url, stream, turn_s)


def window_of(address: str) -> str:
    """The WebSocket of the window of the browser whose own is *address*."""
    with urlopen(f"http://{urlsplit(address).netloc}/json") as found:
        targets = json.load(found)
    return next(str(one["webSocketDebuggerUrl"]) for one in targets if one["type"] == "page")


def wait_for_server(url: str) -> None:
    """Return as soon as the page can be had."""
    deadline_s = time.monotonic() + WAIT_S
    while True:
        try:
            with urlopen(url):
                return
        except URLError:
            assert time.monotonic() < deadline_s, f"{url} cannot be had"
            time.sleep(0.1)
