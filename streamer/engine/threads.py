"""The threads of a run: one for each stage, and the first failure wins."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from streamer.core.cpu import name_thread
from streamer.errors import StageFailed, StopRequested
from streamer.events import StageFailure, Tell, nobody

logger = logging.getLogger("streamer.engine")


class Threads:
    """
    Starts the stages; knows which still work, which were abandoned, and which failed first.

    Args:
        stop: called when a stage asks for the end of the stream.
        abort: called when a stage has failed.
        stream: name of the stream; a part of the threads' names.
        tell: told of each failure.

    Thread-safe.
    """

    def __init__(
        self,
        stop: Callable[[], None],
        abort: Callable[[], None],
        *,
        stream: str = "stream",
        tell: Tell = nobody,
    ) -> None:
        self._stop = stop
        self._abort = abort
        self._stream = stream
        self._tell = tell
        self._threads: dict[str, threading.Thread] = {}
        self._abandoned: list[str] = []
        self._failure: StageFailed | None = None
        self._lock = threading.Lock()

    def __bool__(self) -> bool:
        return bool(self._threads)

    def spawn(self, stage: str, work: Callable[[], None]) -> None:
        """Do *work* in the thread `streamer-NAME-STAGE`; what it raises is the stage's failure."""

        def guarded() -> None:
            name_thread(stage)
            try:
                work()
            except StopRequested:
                self._stop()
            except BaseException as error:
                self.fail(stage, error)

        thread = threading.Thread(target=guarded, name=f"streamer-{self._stream}-{stage}")
        self._threads[stage] = thread
        thread.start()

    @property
    def running(self) -> bool:
        """Whether any thread still works, abandoned ones too."""
        return any(thread.is_alive() for thread in tuple(self._threads.values()))

    @property
    def awaited(self) -> bool:
        """Whether any thread still works that was not abandoned."""
        return any(map(self.awaits, tuple(self._threads)))

    def awaits(self, stage: str) -> bool:
        """Whether *stage* still works and was not abandoned."""
        thread = self._threads.get(stage)
        return thread is not None and thread.is_alive() and stage not in self._abandoned

    def is_free(self, stage: str) -> bool:
        """Whether a thread may have the name *stage*: none has it that works or was abandoned."""
        thread = self._threads.get(stage)
        return stage not in self._abandoned and (thread is None or not thread.is_alive())

    @property
    def abandoned(self) -> tuple[str, ...]:
        """The stages that are no longer waited for."""
        return tuple(self._abandoned)

    def abandon(self, stage: str) -> None:
        """Stop waiting for *stage*."""
        self._abandoned.append(stage)

    @property
    def failure(self) -> StageFailed | None:
        """The first failure."""
        return self._failure

    def fail(self, stage: str, error: BaseException) -> None:
        """Note that *stage* has failed, and abort the stream."""
        self.keep_failure(stage, error)
        self._abort()

    def keep_failure(self, stage: str, error: BaseException) -> None:
        """Note that *stage* has failed; the others may finish the frames that they have."""
        with self._lock:
            if self._failure is None:
                self._failure = StageFailed(stage, error)
            else:
                logger.warning("after the first failure, %s: %s", stage, error)
        self._tell(StageFailure(stage, str(error) or type(error).__name__))

    def raise_failure(self) -> None:
        """Raise StageFailed if any stage failed."""
        if self._failure is not None:
            raise self._failure
