"""Work for a stream that takes long, in a thread: loading it, or changing it while it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from streamer.config import Config
from streamer.config.changing import differences, way_of
from streamer.controls import Applied
from streamer.core.metrics import Metrics
from streamer.errors import ConfigError
from streamer.stream import Stream

T = TypeVar("T")

MakeStream = Callable[[Config, Metrics], Stream]
"""Makes a stream that counts into the given metrics; may take long. Raises StreamerError."""


class Work(Generic[T]):
    """
    Does *work* in a thread of its own, named after the stream and the *stage*.

    Attributes:
        result: what it returned, once `done`, unless it failed.
        failure: what it raised.
    """

    def __init__(self, work: Callable[[], T], stream: str, stage: str) -> None:
        self.result: T | None = None
        self.failure: Exception | None = None
        self._work = work
        self._thread = threading.Thread(target=self._run, name=f"streamer-{stream}-{stage}")
        self._thread.start()

    @property
    def done(self) -> bool:
        """Whether it has ended, well or not."""
        return not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.result = self._work()
        except Exception as error:
            self.failure = error


class Change(Work[Stream | None]):
    """
    Changes a running stream; its `result` is the stream that is to take over, if it needs one.

    What the stream refuses for another reason than that it runs, such as a background that cannot
    be opened, is a failure: then nothing changes.

    Args:
        stream: the one that runs.
        before: what its configuration was.
        wanted: what it is to be. Settings that are the same in both stay as users have changed
            them.
        make: makes the stream that *wanted* describes. Raises StreamerError.
    """

    def __init__(
        self, stream: Stream, before: Config, wanted: Config, make: Callable[[], Stream]
    ) -> None:
        self._stream = stream
        self._changes = live_changes(before, wanted)
        self._make = make
        super().__init__(self._made, wanted.name, "changing")

    def _made(self) -> Stream | None:
        if self._changes is None or not self._stream.opened:
            return self._make()
        answer = self._stream.apply(self._changes)
        if isinstance(answer, Applied):
            return None
        if not answer.fixed:
            raise ConfigError(answer.why)
        return self._make()


def live_changes(before: Config, wanted: Config) -> Mapping[str, Any] | None:
    """What `Stream.apply` takes to get from *before* to *wanted*; None: it needs another run."""
    keys = list(differences(before, wanted))
    if any(way_of(key) == "restart" for key in keys):
        return None
    values = {key: key.split(".") for key in keys}
    return {key: _value(wanted, *way) for key, way in values.items()}


def _value(config: Config, section: str, *option: str) -> Any:
    """The value of *section*, or of one of its options."""
    value = getattr(config, section)
    return getattr(value, option[0]) if option else value
