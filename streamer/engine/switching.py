"""Replaces the model or matting of a running stream: the new one is loaded beside the old one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from functools import partial

from streamer.protocols import Matting

logger = logging.getLogger("streamer.engine")

LoadMatting = Callable[[], Matting]
"""Makes a matting, whose `warm_up` is then called; may take long. Raises ModelError."""


class Switching:
    """
    Loads one matting at a time in a thread of its own, and keeps it for the matting stage.

    Args:
        spawn: takes a stage's name and its work, which it does in that stage's thread.

    Thread-safe.
    """

    stage = "switching"

    def __init__(self, spawn: Callable[[str, Callable[[], None]], None]) -> None:
        self._spawn = spawn
        self._lock = threading.Lock()
        self._latest: Future[None] | None = None
        self._ready: tuple[Matting, Future[None]] | None = None
        self._closed = False

    def begin(self, load: LoadMatting) -> Future[None]:
        """
        Load and warm up a matting.

        Returns:
            Done when the matting is in use; has the failure, or CancelledError if the stream ended
            before. It cannot be cancelled.

        Raises:
            RuntimeError: another is still on its way, or the stream has ended.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the stream has ended")
            if self._latest is not None and not self._latest.done():
                raise RuntimeError("another model is still on its way")
            future = Future[None]()
            future.set_running_or_notify_cancel()
            self._spawn(self.stage, partial(self._load, load, future))
            self._latest = future
        return future

    def take(self) -> tuple[Matting, Future[None]] | None:
        """The matting that is ready, now the caller's, and the future to complete; else None."""
        if self._ready is None:
            return None
        with self._lock:
            ready, self._ready = self._ready, None
        return ready

    def close(self) -> None:
        """Close a matting that nobody took, even one that is ready later. May be called twice."""
        with self._lock:
            self._closed = True
            ready, self._ready = self._ready, None
        if ready is not None:
            _discard(*ready)

    def _load(self, load: LoadMatting, future: Future[None]) -> None:
        try:
            matting = load()
            try:
                matting.warm_up()
            except BaseException:
                matting.close()
                raise
        except Exception as error:
            logger.warning("the model stays the one that it was: %s", error)
            future.set_exception(error)
            return
        with self._lock:
            if not self._closed:
                self._ready = (matting, future)
                return
        _discard(matting, future)


def _discard(matting: Matting, future: Future[None]) -> None:
    try:
        matting.close()
    finally:
        future.set_exception(CancelledError("the stream ended before"))
