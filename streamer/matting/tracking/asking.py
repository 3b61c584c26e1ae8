"""Ask the model for key frames: at once, or in a thread while frames go on."""

from __future__ import annotations

import math
import threading
import time
from pathlib import Path
from typing import Protocol

import numpy as np

from streamer.core.cpu import give_way, name_beside
from streamer.frame import Image
from streamer.matting.tracking.effort import View
from streamer.matting.tracking.keys import Key
from streamer.matting.tracking.looking import Looker

_AVERAGED_S = 1.0
_LEAST_NS = 1_000_000
"""Up to this much time, the share is not meaningful."""


class Asking(Protocol):
    """Asks the model one question at a time; see `Direct` and `Background`."""

    @property
    def busy(self) -> bool:
        """Whether the next question has to wait for an earlier one."""
        ...

    @property
    def share(self) -> float:
        """The share that the model lately gets of the core time that it wants; 1 if unknown."""
        ...

    def ask(self, key: Key, image: Image, looker: Looker, view: View) -> None:
        """Have the alpha of *image* written into that of *key*. Not to be called while busy."""
        ...

    def answer(self) -> Key | None:
        """The key that was asked for, once, when its alpha is ready. Raises SegmentError."""
        ...

    def close(self) -> None:
        """End, after the question that is being worked on. Safe to call twice."""
        ...


class Direct:
    """Answers at once, in the caller's thread: for files, where frames wait."""

    busy = False
    share = 1.0

    def __init__(self) -> None:
        self._answer: Key | None = None

    def ask(self, key: Key, image: Image, looker: Looker, view: View) -> None:
        """See `Asking.ask`; takes as long as the model does. Raises SegmentError."""
        looker.look(key, image, view)
        self._answer = key

    def answer(self) -> Key | None:
        """See `Asking.answer`."""
        key, self._answer = self._answer, None
        return key

    def close(self) -> None:
        """Nothing to do: no thread runs."""


class Share:
    """
    The share that a model gets of the core time that it wants, averaged over its latest second.

    One thread at a time may write, others read.
    """

    def __init__(self) -> None:
        self.mean = 1.0
        """The average as of the last answer."""

    def during(self, share: float, lasted_s: float) -> float:
        """The mean, including a question with this *share* so far, after *lasted_s*."""
        return self.mean + (share - self.mean) * -math.expm1(-lasted_s / _AVERAGED_S)

    def after(self, share: float, lasted_s: float) -> None:
        """Include a question that was answered, in the mean."""
        self.mean = self.during(share, lasted_s)


class _Spell:
    """
    Measures which share of the core time that it wants the thread gets that makes this.

    Any thread may read it. Linux tells how long a thread ran on a core, and how long it waited for
    one: see sched-stats. On other systems nothing is known.
    """

    def __init__(self) -> None:
        self._path = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._begun_s = time.monotonic()
        self._before = self._read()

    def share(self) -> tuple[float, float]:
        """The share since this was made (1 if unknown), and how many seconds that is ago."""
        lasted_s, now = time.monotonic() - self._begun_s, self._read()
        if now is None or self._before is None:
            return 1.0, lasted_s
        spent, waited = (after - before for after, before in zip(now, self._before, strict=True))
        return (spent / (spent + waited) if spent + waited > _LEAST_NS else 1.0), lasted_s

    def _read(self) -> tuple[int, int] | None:
        try:
            spent, waited, _ = self._path.read_text().split()
        except (OSError, ValueError):  # another system, or the thread has ended
            return None
        return int(spent), int(waited)


class Background:
    """Answers later, from a thread: for live streams, which do not wait."""

    def __init__(self) -> None:
        self._image: Image = np.empty((0, 0, 3), np.uint8)
        self._question: tuple[Key, Looker, View] | None = None
        self._answer: Key | None = None
        self._failure: BaseException | None = None
        self._closed = False
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._spell: _Spell | None = None
        self._share = Share()

    @property
    def busy(self) -> bool:
        """See `Asking.busy`."""
        with self._changed:
            return self._question is not None or self._answer is not None

    @property
    def share(self) -> float:
        """See `Asking.share`."""
        spell = self._spell
        return self._share.mean if spell is None else self._share.during(*spell.share())

    def ask(self, key: Key, image: Image, looker: Looker, view: View) -> None:
        """See `Asking.ask`; *image* is copied."""
        if self._image.shape != image.shape:
            self._image = np.empty_like(image)
        np.copyto(self._image, image)
        with self._changed:
            self._question = (key, looker, view)
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=name_beside("model"))
            self._thread.start()

    def answer(self) -> Key | None:
        """See `Asking.answer`; the model's failure is raised here."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            key, self._answer = self._answer, None
            return key

    def close(self) -> None:
        """See `Asking.close`."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        give_way()
        while True:
            with self._changed:
                while self._question is None and not self._closed:
                    self._changed.wait()
                if self._closed or self._question is None:
                    return
                key, looker, view = self._question
            failure: BaseException | None = None
            spell = self._spell = _Spell()
            try:
                looker.look(key, self._image, view)
            except BaseException as error:  # it is raised where the answer is asked for
                failure = error
            self._spell = None
            self._share.after(*spell.share())
            with self._changed:
                self._question = None
                self._answer, self._failure = key, failure
            if failure is not None:
                return
