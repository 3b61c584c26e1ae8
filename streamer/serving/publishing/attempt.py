"""One attempt of a publisher to reach its server: what it sent, what came of it, how it ended."""

from __future__ import annotations

import time

from streamer.serving.publishing.outbox import Outbox
from streamer.serving.publishing.process import ChildProcess, Event
from streamer.serving.publishing.target import Target
from streamer.serving.publishing.wire import Failure, Hello, pack_hello

_START_NS = 15_000_000_000
"""How long the child may take to start: it loads Python and PyAV, perhaps from a slow disk."""
_HOPELESS: frozenset[Failure] = frozenset({"unsupported", "codec"})


class Attempt:
    """
    One child process and one connection, used by one thread. Always `kill` it in the end.

    Attributes:
        live_ns: when the connection was made, or None.
        packets: how many the muxer took.
        bytes: in those packets.
        failure: why it ended, in a line for a user; None while it runs.
        hopeless: whether every further attempt would fail the same way.
    """

    def __init__(self, target: Target, hello: Hello, stall_ns: int, now_ns: int) -> None:
        """
        Start a child, which connects.

        Raises:
            OSError: no process can be started.
        """
        self.live_ns: int | None = None
        self.packets = 0
        self.bytes = 0
        self.failure: str | None = None
        self.hopeless = False
        self._target = target
        self._stall_ns = stall_ns
        self._opening = False
        self._written = 0
        self._moved_ns = now_ns
        self._child = ChildProcess(pack_hello(hello), target.hide)

    @property
    def lost(self) -> int:
        """Packets given to the child that the muxer has not taken."""
        return self._written - self.packets

    def feed(self, outbox: Outbox) -> None:
        """Send the child what its pipe takes."""
        while self._child.idle and (message := outbox.take()) is not None:
            self._child.write(message)
            self._written += 1

    def pump(self, timeout_s: float, wake: int | None, now_ns: int) -> None:
        """Wait up to *timeout_s* for the child's events; note them, and whether it has stalled."""
        for event in self._child.pump(timeout_s, wake):
            self._note(event, now_ns)
        if self._child.ended:
            code = self._child.kill()
            if self.failure is None:
                words = self._child.last_words
                self.failure = (
                    f"{self._target.name}: the publishing process ended ({code})"
                    f"{': ' if words else ''}{words}"
                )
        elif self.live_ns is not None and self.lost == 0 and self._child.idle:
            self._moved_ns = now_ns
        elif now_ns - self._moved_ns >= (self._stall_ns if self._opening else _START_NS):
            self._child.kill()
            self.failure = self._stalled()

    def finish(self, outbox: Outbox, within_s: float) -> None:
        """
        End in order within *within_s*: send what waits, write the trailer, hang up.

        Without a connection, there is nothing to end.
        """
        end_s = time.monotonic() + within_s / 3
        while self.live_ns is not None and (left_s := end_s - time.monotonic()) > 0:
            self.feed(outbox)
            if self._child.ended or (self._child.idle and not len(outbox)):
                break
            for event in self._child.pump(left_s):
                self._note(event, self._moved_ns)
        if self.live_ns is not None:
            for event in self._child.finish(within_s * 2 / 3):
                self._note(event, self._moved_ns)
        self._child.kill()

    def kill(self) -> None:
        """End it now, if it has not ended."""
        self._child.kill()

    def _note(self, event: Event, now_ns: int) -> None:
        kind = event["event"]
        if kind == "opening":
            self._opening = True
            self._moved_ns = now_ns
        elif kind == "connected":
            self.live_ns = self._moved_ns = now_ns
        elif kind == "progress":
            if event["packets"] > self.packets:
                self._moved_ns = now_ns
            self.packets, self.bytes = event["packets"], event["bytes"]
        elif kind == "error":
            self.failure = self._target.explain(event["kind"], event["detail"])
            self.hopeless = event["kind"] in _HOPELESS

    def _stalled(self) -> str:
        name, limit_s = self._target.name, self._stall_ns / 1e9
        if self.live_ns is not None:
            return f"{name}: took no data for {limit_s:g} s"
        if self._opening:
            return f"{name}: no answer within {limit_s:g} s: is it a media server?"
        return f"{name}: the publishing process did not start within {_START_NS / 1e9:g} s"
