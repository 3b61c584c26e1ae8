"""How the model is asked for key frames: at once, or in a thread while frames go on."""

from __future__ import annotations

import threading
import time
from typing import Protocol

import numpy as np

from streamer.cpu import give_way
from streamer.frame import Image
from streamer.matting.effort import View
from streamer.matting.keys import Key
from streamer.matting.looking import Looker

_SETTLED_S = 0.5


class Asking(Protocol):
    """One question at a time; see `Direct` and `Background`."""

    @property
    def busy(self) -> bool:
        """A question is not answered yet."""
        ...

    @property
    def share(self) -> float:
        """Of a core's time, that the model's thread has had since it was asked; 1 if not known."""
        ...

    def ask(self, key: Key, image: Image, looker: Looker, view: View) -> None:
        """Have the alpha of *image* written into that of *key*; not while it is busy."""
        ...

    def answer(self) -> Key | None:
        """The key that was asked for, once, when its alpha is there. Raises SegmentError."""
        ...

    def close(self) -> None:
        """End; a question that is being worked on is waited for. Twice is once."""
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
        """Nothing runs."""


class _Spell:
    """Of work in the thread that makes this: how much of a core it gets. Any thread may look."""

    def __init__(self) -> None:
        clock = getattr(time, "pthread_getcpuclockid", None)
        self._clock = None if clock is None else clock(threading.get_ident())
        self._begun_s, self._spent_s = time.monotonic(), self._cpu_s()

    def share(self, *, whole: bool = False) -> float:
        """Since it began; 1 before that tells anything, unless it is the *whole*."""
        passed_s = time.monotonic() - self._begun_s
        if self._clock is None or not passed_s or (passed_s < _SETTLED_S and not whole):
            return 1.0
        return min(1.0, (self._cpu_s() - self._spent_s) / passed_s)

    def _cpu_s(self) -> float:
        return 0.0 if self._clock is None else time.clock_gettime(self._clock)


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
        self._share = 1.0

    @property
    def busy(self) -> bool:
        """See `Asking.busy`."""
        with self._changed:
            return self._question is not None or self._answer is not None

    @property
    def share(self) -> float:
        """See `Asking.share`; after the answer, of all the time that it took."""
        if (spell := self._spell) is not None:
            self._share = spell.share()
        return self._share

    def ask(self, key: Key, image: Image, looker: Looker, view: View) -> None:
        """See `Asking.ask`; *image* is copied."""
        if self._image.shape != image.shape:
            self._image = np.empty_like(image)
        np.copyto(self._image, image)
        with self._changed:
            self._question = (key, looker, view)
            self._changed.notify()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="streamer-model")
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
            self._spell = _Spell()
            try:
                looker.look(key, self._image, view)
            except BaseException as error:  # it is raised where the answer is asked for
                failure = error
            self._share, self._spell = self._spell.share(whole=True), None
            with self._changed:
                self._question = None
                self._answer, self._failure = key, failure
            if failure is not None:
                return
