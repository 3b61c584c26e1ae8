"""A live stream on a simulated machine: the figures are the same wherever it is computed."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from streamer.core.copying import Uncopyable
from streamer.evaluation.live.cores import Cores, Load
from streamer.evaluation.live.judging import Judge
from streamer.evaluation.live.machines import Machine
from streamer.frame import Alpha, Frame, Image, Matte, Stamp
from streamer.matting.tracking.asking import Share
from streamer.matting.tracking.effort import View
from streamer.matting.tracking.keys import Key
from streamer.matting.tracking.looking import Looker
from streamer.matting.tracking.work import Work
from streamer.protocols import Matting, ModelInfo, PacedMatting, Segmenter


class CountedSegmenter(Uncopyable):
    """Wraps a segmenter, and records the sizes at which it is run."""

    def __init__(self, segmenter: Segmenter) -> None:
        self._sides: list[int] = []
        self._segmenter = segmenter

    @property
    def info(self) -> ModelInfo:
        """See `Segmenter.info`."""
        return self._segmenter.info

    @property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """See `Segmenter.sizes`."""
        return self._segmenter.sizes

    def warm_up(self) -> None:
        """See `Segmenter.warm_up`; not recorded."""
        self._segmenter.warm_up()

    def segment(self, image: Image, out: Alpha, size: tuple[int, int] | None = None) -> None:
        """See `Segmenter.segment`."""
        self._segmenter.segment(image, out, size)
        self._sides.append(max(size or self.info.input_size))

    def take_sides(self) -> list[int]:
        """The longer sides of its inputs since the last call."""
        sides, self._sides = self._sides, []
        return sides

    def reset(self) -> None:
        """See `Segmenter.reset`."""
        self._segmenter.reset()

    def close(self) -> None:
        """See `Segmenter.close`."""
        self._segmenter.close()


class VirtualAsking:
    """
    Runs the model at once, but hands out its answer only when the simulation says so.

    Attributes:
        answered: whether the answer is there; set by the simulation.
        share: see `Asking.share`; set by the simulation.
    """

    def __init__(self) -> None:
        self.answered = False
        self.share = 1.0
        self._segmenter: CountedSegmenter | None = None
        self._asked: list[int] | None = None
        self._key: Key | None = None

    def through(self, segmenter: Segmenter) -> CountedSegmenter:
        """Wrap *segmenter*, so that the sizes at which an answer runs it are known."""
        self._segmenter = CountedSegmenter(segmenter)
        return self._segmenter

    @property
    def segmenter(self) -> CountedSegmenter:
        """The wrapped segmenter; `through` must have been called."""
        assert self._segmenter is not None  # noqa: S101 - callers know
        return self._segmenter

    @property
    def busy(self) -> bool:
        """See `Asking.busy`."""
        return self._key is not None

    def ask(self, key: Key, image: Image, looker: Looker, view: View) -> None:
        """See `Asking.ask`. Raises SegmentError."""
        looker.look(key, image, view)
        self._key, self.answered = key, False
        self._asked = self.take_sides()

    def answer(self) -> Key | None:
        """See `Asking.answer`."""
        if not self.answered:
            return None
        key, self._key = self._key, None
        self.answered = False
        return key

    def take_sides(self) -> list[int]:
        """The longer sides of the model's inputs since the last call."""
        return self._segmenter.take_sides() if self._segmenter is not None else []

    def take_asked(self) -> list[int] | None:
        """The input sides of the question asked since the last call; None if there was none."""
        asked, self._asked = self._asked, None
        return asked

    def forget(self) -> None:
        """Drop the question and its answer: a new stream begins."""
        self._key = self._asked = None
        self.answered, self.share = False, 1.0
        self.take_sides()

    def close(self) -> None:
        """Do nothing: no thread runs."""


@dataclass(frozen=True, slots=True)
class Queues:
    """How many frames may wait for the matting and for the sink; see `PipelineConfig`."""

    ring: int = 4
    sink: int = 4


@dataclass(frozen=True, slots=True)
class Simulation:
    """
    Plays clips at their pace to a matting, on a simulated machine.

    As in the pipeline, capture, matting and sink have a thread each, the model gives way to them,
    and a full queue drops its oldest frame.
    """

    matting: Matting
    """Asks through `asking`, which also wraps its segmenter; borrowed."""
    asking: VirtualAsking
    machine: Machine
    queues: Queues

    def play(self, judge: Judge, epoch: int) -> None:
        """
        Play the clip of *judge* and show it the mattes; each clip needs another *epoch*.

        Raises:
            SegmentError: a matte could not be made.
        """
        self.asking.forget()
        self.matting.flush()
        _Run(self, judge, epoch).run()


class _Run:
    """One clip on one machine, event by event."""

    def __init__(self, simulation: Simulation, judge: Judge, epoch: int) -> None:
        self._matting, self._asking = simulation.matting, simulation.asking
        self._machine, self._queues = simulation.machine, simulation.queues
        self._clip, self._judge, self._epoch = judge.clip, judge, epoch
        self._size = (self._clip.height, self._clip.width)
        self._cores = Cores(self._machine.cores, self._machine.crowding)
        self._next = 0
        self._decoding: int | None = None
        self._ring: deque[Frame] = deque()
        self._carrying: Load | None = None
        """The work of the matting thread: now, or after an inference in that thread."""
        self._ready: list[Matte] = []
        """Mattes that the latest call has returned, held back until its work is done."""
        self._mattes: deque[Matte] = deque()
        """Mattes that wait for the sink."""
        self._showing: Matte | None = None
        self._done = self._work()
        self._share = Share()
        self._asked: tuple[float, Load] | None = None
        """When the model was asked, and what load the answer is."""

    def run(self) -> None:
        """Play to the end; mattes that the matting still holds then are not shown."""
        while self._step():
            self._begin_what_can()

    def _step(self) -> bool:
        """Go on to the next event; False if there is none."""
        due_s = self._due_s() if self._decoding is None else math.inf
        end_s = self._cores.next_end_s()
        if min(due_s, end_s) == math.inf:
            return False
        for name in self._cores.advance(max(self._cores.now_s, min(due_s, end_s))):
            self._end(name)
        return True

    def _due_s(self) -> float:
        return self._next / self._clip.fps if self._next < self._clip.frames else math.inf

    def _begin_what_can(self) -> None:
        if self._decoding is None and self._due_s() <= self._cores.now_s:
            self._decoding, self._next = self._next, self._next + 1
            self._start("capture", Load(self._machine.decode_s(self._size)))
        while self._ring and self._carrying is None:
            self._matte_or_leave_out(self._ring.popleft())
        if self._mattes and self._showing is None:
            self._showing = self._mattes.popleft()
            self._start("sink", Load(self._machine.show_s(self._size)))

    def _end(self, name: str) -> None:
        match name:
            case "capture":
                assert self._decoding is not None  # noqa: S101 - it has ended
                self._capture(self._decoding)
                self._decoding = None
            case "inference":
                assert self._carrying is not None  # noqa: S101 - it waits for this
                self._start("matting", self._carrying)
            case "matting":
                self._carrying = None
                for matte in self._ready:
                    self._put(matte)
                self._ready = []
            case "model":
                self._asking.answered = True
                self._hear_share()
            case "sink":
                assert self._showing is not None  # noqa: S101 - it has ended
                shown, self._showing = self._showing, None
                self._judge.show(shown.stamp.index, shown.alpha, self._cores.now_s)

    def _capture(self, index: int) -> None:
        image = self._judge.capture(index)
        if len(self._ring) >= self._queues.ring:
            self._judge.lose(self._ring.popleft().stamp.index)
        stamp = Stamp(index, index, Fraction(1, self._clip.fps), 0, self._epoch)
        self._ring.append(Frame(image, stamp))

    def _matte_or_leave_out(self, frame: Frame) -> None:
        waiting = len(self._ring) + len(self._mattes)
        matting = self._matting
        if isinstance(matting, PacedMatting) and not matting.keeps(waiting, self._cores.now_s):
            self._judge.lose(frame.stamp.index)
        else:
            self._matte(frame)

    def _matte(self, frame: Frame) -> None:
        asking = self._asking
        share = self._cores.share("model")
        asking.share = self._share.mean if share is None else self._share.during(*share)
        alpha = np.empty(self._size, np.uint8)
        self._ready = list(self._matting.matte(frame, alpha))
        self._carrying = Load(self._machine.matting_s(self._work_since(), self._size))
        if sides := self._asking.take_sides():
            # Not for a question: the model has run in the matting's own thread.
            self._start("inference", self._machine.inference(sides))
        else:
            self._start("matting", self._carrying)
        if (asked := self._asking.take_asked()) is not None:
            load = replace(self._machine.inference(asked), gives_way=True)
            self._asked = self._cores.now_s, load
            self._start("model", load)

    def _hear_share(self) -> None:
        """Update the share when the model has answered; see `Asking.share`."""
        assert self._asked is not None  # noqa: S101 - it has answered
        begun_s, load = self._asked
        lasted_s = self._cores.now_s - begun_s
        if lasted_s and not load.apart:
            self._share.after(load.seconds / load.threads / lasted_s, lasted_s)

    def _put(self, matte: Matte) -> None:
        if len(self._mattes) >= self._queues.sink:
            self._judge.lose(self._mattes.popleft().stamp.index)
        self._mattes.append(matte)

    def _start(self, name: str, load: Load) -> None:
        self._cores.start(name, load)
        if not load.apart:
            self._judge.spend("model" if name == "inference" else name, load.seconds)

    def _work(self) -> Work:
        return Work(**self._matting.statistics().get("work", {}))

    def _work_since(self) -> Work:
        """The work that was done since the last call."""
        before, self._done = self._done, self._work()
        return self._done.since(before)
