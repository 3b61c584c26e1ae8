"""Several readers of one live source. The camera gives a frame, or fails, when a test says so."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from queue import SimpleQueue
from random import Random

import numpy as np
import pytest

from streamer.config import RtspSourceConfig, SourceConfig, SyntheticSourceConfig, UsbSourceConfig
from streamer.errors import (
    CorruptFrame,
    EndOfStream,
    FormatChanged,
    SourceError,
    SourceLost,
    SourceNotFound,
    SourceTimeout,
    SourceWaiting,
)
from streamer.frame import Grab, Image, StreamInfo
from streamer.packets import AudioPacket
from streamer.protocols import Source
from streamer.sources.seats import Seat
from streamer.sources.shared import SharedReader, SharedSources
from streamer.sources.synthetic import SyntheticSource
from tests.fakes import FakeClock, FakeSource
from tests.waiting import wait_for

TIME_BASE = Fraction(1, 25)
USB = UsbSourceConfig(type="usb")
STALL_S = USB.reconnect.stall_s


@dataclass(frozen=True)
class Still:
    """A grey picture; its level is its timestamp, too."""

    level: int
    audio: tuple[AudioPacket, ...] = ()


Step = Still | Exception | Callable[[], object]


def info_of(width: int, height: int) -> StreamInfo:
    return StreamInfo("camera", width, height, Fraction(25), TIME_BASE, live=True)


class Camera:
    """
    What `SharedSources` makes sources of; like a real camera, it has one connection at a time.

    Attributes:
        opening: what each attempt to open it does first.
        steps: what each call of `read` does: gives a picture, fails, or does something before.
        on_close: called by each close, which may block.
    """

    def __init__(self) -> None:
        self.info = info_of(64, 48)
        self.opening: SimpleQueue[Step] = SimpleQueue()
        self.steps: SimpleQueue[Step] = SimpleQueue()
        self.on_close: Callable[[], object] = lambda: None
        self.exclusive = True
        self.attempts = self.opens = self.closes = 0
        self.written: Image | None = None
        self.threads: set[str] = set()

    def give(self, *steps: Step) -> None:
        for step in steps:
            self.steps.put(step)

    def __call__(self, config: SourceConfig) -> Source:
        return Connection(self)


class Connection:
    name = "camera"

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self._open = False

    def open(self) -> StreamInfo:
        camera = self._camera
        camera.threads.add(threading.current_thread().name)
        camera.attempts += 1
        if not camera.opening.empty():
            act(camera.opening.get())
        assert not (camera.exclusive and camera.opens > camera.closes), "it has a connection"
        camera.opens += 1
        self._open = True
        return camera.info

    def read(self, out: Image) -> Grab:
        camera = self._camera
        camera.threads.add(threading.current_thread().name)
        while True:
            step = camera.steps.get()
            if isinstance(step, Still):
                break
            if isinstance(step, FormatChanged):
                camera.info = step.info
            act(step)
        assert out.shape == (camera.info.height, camera.info.width, 3)
        camera.written = out
        out.fill(step.level)
        return Grab(step.level, TIME_BASE, step.level * 1000, step.audio)

    def close(self) -> None:
        self._camera.threads.add(threading.current_thread().name)
        if self._open:
            self._open = False
            self._camera.on_close()
            self._camera.closes += 1


def act(step: Step) -> None:
    if isinstance(step, Exception):
        raise step
    assert not isinstance(step, Still)
    step()


class Bench:
    """A camera, and the readers of it that a test has made."""

    def __init__(self) -> None:
        self.camera = Camera()
        self.clock = FakeClock()
        self.shared = SharedSources(self.camera, self.clock)
        self.readers: list[Source] = []

    def reader(self, config: SourceConfig = USB, crop: list[tuple[float, ...]] = []) -> Source:  # noqa: B006 - only read
        self.readers.append(self.shared.make(config, crop))
        return self.readers[-1]

    def opened(self, config: SourceConfig = USB) -> Source:
        reader = self.reader(config)
        reader.open()
        return reader

    def close(self, *readers: Source) -> None:
        """Close them; the read that the camera is in, if it is in one, gives a frame."""
        self.camera.give(Still(0))
        for reader in readers:
            reader.close()


@pytest.fixture
def bench() -> Iterator[Bench]:
    made = Bench()
    yield made
    made.close(*made.readers)


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """For calls that wait."""
    with ThreadPoolExecutor() as pool:
        yield pool


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """What a stuck driver waits for; set when the test ends."""
    event = threading.Event()
    yield event
    event.set()


class Driver:
    """Is called by a camera, and does not return before it is let go."""

    def __init__(self, release: threading.Event) -> None:
        self._release = release
        self.stuck = threading.Event()

    def __call__(self) -> None:
        self.stuck.set()
        self._release.wait(30)


def picture(width: int = 64, height: int = 48) -> Image:
    return np.zeros((height, width, 3), np.uint8)


def level_of(reader: Source, out: Image | None = None) -> int:
    """Read a frame; its level, which all of it has, and its grab as well."""
    out = picture() if out is None else out
    grab = reader.read(out)
    assert (out == grab.pts).all()
    assert grab.captured_ns == grab.pts * 1000
    return grab.pts


def seats(bench: Bench) -> list[Seat]:
    """Those of the readers that have joined."""
    return [seat for _, broadcast in bench.shared._broadcasts for seat in broadcast._seats]


def test_two_readers_open_it_once_and_each_gets_its_frames(bench: Bench) -> None:
    one, other = bench.reader(), bench.reader()
    assert one.name == other.name == "camera"
    assert one.open() == other.open() == bench.camera.info
    for level in (1, 2, 3):
        bench.camera.give(Still(level))
        assert level_of(one) == level_of(other) == level
    assert bench.camera.opens == 1


def test_one_thread_opens_reads_and_closes_it(bench: Bench) -> None:
    one, other = bench.opened(), bench.opened()
    bench.camera.give(Still(1))
    level_of(one)
    bench.close(one, other)
    assert bench.camera.threads == {"streamer-shared-1"}


def test_a_reader_that_joins_later_gets_the_frames_from_then_on(bench: Bench) -> None:
    one = bench.opened()
    bench.camera.give(Still(1))
    level_of(one)
    late = bench.opened()
    bench.camera.give(Still(2))
    assert level_of(late) == level_of(one) == 2


def test_for_one_reader_alone_frames_are_read_when_it_asks_and_into_its_array(bench: Bench) -> None:
    alone, out = bench.opened(), picture()
    bench.camera.give(Still(1), Still(2), Still(3))
    for level in (1, 2):
        assert level_of(alone, out) == level
        assert bench.camera.written is out
    assert bench.camera.steps.qsize() == 1, "a source that is not asked is not read"


def test_one_that_is_alone_again_has_the_source_to_itself(bench: Bench) -> None:
    one, other, out = bench.opened(), bench.opened(), picture()
    bench.camera.give(Still(1))
    assert level_of(one, out) == level_of(other) == 1
    bench.close(other)
    bench.camera.give(Still(2), Still(3))
    while level_of(one, out) < 3:
        pass
    assert bench.camera.written is out


def test_one_that_is_left_alone_gets_the_frame_that_came_before(
    bench: Bench, aside: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has not woken up yet when the source could write the next one into its array."""
    one, other = bench.opened(), bench.opened()
    ((_, broadcast),) = bench.shared._broadcasts
    awake = threading.Event()
    with monkeypatch.context() as sleepy:
        sleepy.setattr(broadcast, "_wait", lambda seat: broadcast._changed.wait_for(awake.is_set))
        reading = aside.submit(level_of, one)
        wait_for(lambda: any(seat.out is not None for seat in seats(bench)))
        other.close()
        bench.camera.give(Still(1), Still(2))
        wait_for(lambda: bench.camera.steps.empty() or broadcast._idle)
    awake.set()
    with broadcast._changed:
        broadcast._changed.notify_all()
    assert reading.result() == 1
    assert level_of(one) == 2


def test_no_memory_of_pictures_is_left_after_the_last_reader(
    bench: Bench, aside: ThreadPoolExecutor
) -> None:
    readers = [bench.opened(), bench.opened()]
    ((_, broadcast),) = bench.shared._broadcasts
    bench.camera.give(Still(1))
    assert [level_of(reader) for reader in readers] == [1, 1]
    closing = aside.submit(lambda: [reader.close() for reader in readers])
    wait_for(lambda: not seats(bench))
    front = broadcast._pictures.front
    bench.camera.give(Still(2))  # read into one of them
    closing.result()
    assert front is None
    assert (broadcast._pictures.front, broadcast._pictures._all) == (None, [])


def test_a_slow_reader_misses_frames_and_no_other_does(bench: Bench) -> None:
    quick, slow = bench.opened(), bench.opened()
    for level in range(1, 10):
        bench.camera.give(Still(level))
        assert level_of(quick) == level
    assert level_of(slow) == 9, "the newest"


def test_each_reader_gets_all_the_sound(bench: Bench) -> None:
    quick, slow = bench.opened(), bench.opened()
    packets = [AudioPacket(b"", pts) for pts in range(9)]
    heard: list[AudioPacket] = []
    for level in range(3):
        bench.camera.give(Still(level, tuple(packets[3 * level : 3 * level + 3])))
        heard += quick.read(picture()).audio
    assert heard == packets
    assert slow.read(picture()).audio == tuple(packets)
    bench.camera.give(Still(3))
    assert slow.read(picture()).audio == ()


def test_sound_waits_within_bounds_for_a_reader_that_does_not_ask(bench: Bench) -> None:
    quick, slow = bench.opened(), bench.opened()
    packets = tuple(AudioPacket(b"", pts) for pts in range(5000))
    bench.camera.give(Still(1, packets))
    level_of(quick)
    audio = slow.read(picture()).audio
    assert audio == packets[-len(audio) :]
    assert len(audio) < 2000


def test_a_frame_is_never_torn(aside: ThreadPoolExecutor) -> None:
    width, height = 640, 360
    source = FakeSource(None, live=True, size=(width, height))
    shared = SharedSources(lambda config: source)
    readers = [shared.make(USB) for _ in range(4)]
    for reader in readers:
        reader.open()

    def read(reader: Source) -> list[int]:
        out, numbers = picture(width, height), []
        for _ in range(100):
            number = reader.read(out).pts
            assert (out == number % 251).all()
            numbers.append(number)
        return numbers

    for numbers in aside.map(read, readers):
        assert all(before < after for before, after in pairwise(numbers))
    for reader in readers:
        reader.close()
    assert source.closed


def test_readers_come_and_go_and_nothing_is_torn_lost_or_opened_twice(
    bench: Bench, aside: ThreadPoolExecutor
) -> None:
    steps = bench.camera.steps
    over = threading.Event()

    def film() -> None:
        for number in range(1, 100_000):
            wait_for(lambda: steps.qsize() < 50 or over.is_set())
            if over.is_set():
                return
            bench.camera.give(Still(number % 251, (AudioPacket(b"", number),)))

    def live(seed: int) -> None:
        random, out = Random(seed), picture()
        for _ in range(30):
            reader = bench.shared.make(USB)
            reader.open()
            last: int | None = None
            for _ in range(random.choice([1, 5, 30])):
                grab = reader.read(out)
                assert (out == grab.pts).all()
                sound = [packet.pts for packet in grab.audio]
                assert sound[-1] % 251 == grab.pts, "none that is later than the frame"
                assert last is None or sound[0] == last + 1
                last = sound[-1]
            reader.close()

    filming = aside.submit(film)
    for life in [aside.submit(live, seed) for seed in range(4)]:
        life.result()
    over.set()
    filming.result()
    assert bench.camera.opens == bench.camera.closes


def test_no_opening_fails_by_a_corrupt_frame(bench: Bench, release: threading.Event) -> None:
    """It came after the reader had joined, and before the reader was told that it is open."""
    bench.camera.opening.put(SourceWaiting("camera: no picture yet"))
    bench.camera.opening.put(Driver(release))
    late = bench.reader()
    with pytest.raises(SourceWaiting):
        late.open()
    other = bench.reader()
    read_on = threading.Event()
    bench.camera.give(CorruptFrame("camera: bad"), read_on.set, Still(1))
    release.set()
    other.open()
    assert read_on.wait(30)
    assert late.open() == bench.camera.info


def test_a_corrupt_frame_is_told_once_to_each(bench: Bench) -> None:
    one, other = bench.opened(), bench.opened()
    bench.camera.give(CorruptFrame("camera: bad"), Still(1))
    for reader in (one, other):
        with pytest.raises(CorruptFrame, match="camera: bad"):
            reader.read(picture())
        assert level_of(reader) == 1


def test_a_source_that_sends_without_a_picture_keeps_each_reader_waiting(
    bench: Bench, release: threading.Event
) -> None:
    waiting = SourceWaiting("camera: no picture yet")
    bench.camera.opening.put(waiting)
    bench.camera.opening.put(Driver(release))
    one = bench.reader()
    with pytest.raises(SourceWaiting):
        one.open()
    release.set()
    one.open()
    other = bench.opened()
    assert (bench.camera.attempts, bench.camera.opens) == (2, 1)
    bench.camera.give(waiting)
    for reader in (one, other):
        with pytest.raises(SourceWaiting):
            reader.read(picture())
    bench.camera.give(Still(1))
    assert level_of(one) == level_of(other) == 1


def test_a_new_size_is_told_to_each_before_its_first_frame(
    bench: Bench, aside: ThreadPoolExecutor
) -> None:
    one, other, large = bench.opened(), bench.opened(), info_of(128, 96)
    bench.camera.give(Still(1))
    level_of(one)
    bench.camera.give(FormatChanged(large))
    with pytest.raises(FormatChanged):
        one.read(picture())
    with pytest.raises(FormatChanged) as changed:
        other.read(picture())
    assert changed.value.info == large
    with pytest.raises(ValueError, match=r"\(96, 128, 3\)"):
        other.read(picture())
    reading = aside.submit(level_of, other, picture(128, 96))
    wait_for(lambda: reading.done() or any(seat.out is not None for seat in seats(bench)))
    bench.camera.give(Still(2))
    assert reading.result() == level_of(one, picture(128, 96)) == 2, "no frame of the old size"


def test_one_that_is_left_alone_at_a_new_size_is_told_of_it(
    bench: Bench, aside: ThreadPoolExecutor, release: threading.Event
) -> None:
    """The array that it waits with has the old size, and must not be written to."""
    one, other, driver = bench.opened(), bench.opened(), Driver(release)
    bench.camera.give(driver, FormatChanged(info_of(128, 96)), Still(1))
    assert driver.stuck.wait(30)
    reading = aside.submit(one.read, picture())
    wait_for(lambda: any(seat.out is not None for seat in seats(bench)))
    other.close()
    release.set()
    assert isinstance(reading.exception(), FormatChanged)
    assert level_of(one, picture(128, 96)) == 1


def test_one_alone_is_told_of_a_new_size(bench: Bench) -> None:
    alone = bench.opened()
    bench.camera.give(FormatChanged(info_of(128, 96)), Still(2))
    with pytest.raises(FormatChanged):
        alone.read(picture())
    assert level_of(alone, picture(128, 96)) == 2


def test_a_failure_reaches_each_reader_and_the_next_to_open_has_it_reopened(bench: Bench) -> None:
    one, other = bench.opened(), bench.opened()
    bench.camera.give(SourceLost("camera: was unplugged"))
    failures: list[SourceError] = []
    for reader in (one, other):
        with pytest.raises(SourceLost, match="was unplugged") as lost:
            reader.read(picture())
        failures.append(lost.value)
        assert bench.camera.closes == 1, "it can be opened again at once"
    assert failures[0] is not failures[1], "each has its own traceback"
    one.close()
    again, third = bench.opened(), bench.opened()
    assert bench.camera.opens == 2
    with pytest.raises(SourceLost):
        other.read(picture())
    other.close()
    bench.camera.give(Still(2))
    assert level_of(again) == level_of(third) == 2


def test_the_end_reaches_each_with_the_sound_after_the_last_frame(bench: Bench) -> None:
    one, other = bench.opened(), bench.opened()
    last = AudioPacket(b"last", 9)
    bench.camera.give(Still(1), EndOfStream((last,)))
    for reader in (one, other):
        assert level_of(reader) == 1
        with pytest.raises(EndOfStream) as ended:
            reader.read(picture())
        assert ended.value.audio == (last,)
        with pytest.raises(EndOfStream) as ended:
            reader.read(picture())
        assert ended.value.audio == ()


def test_those_who_wait_for_its_opening_share_the_failure(
    bench: Bench, aside: ThreadPoolExecutor, release: threading.Event
) -> None:
    def fail() -> None:
        release.wait(30)
        raise SourceNotFound("camera: cannot be opened")

    bench.camera.opening.put(fail)
    opening: list[Future[StreamInfo]] = [aside.submit(bench.reader().open) for _ in range(3)]
    wait_for(lambda: len(seats(bench)) == 3)
    release.set()
    for one in opening:
        assert isinstance(one.exception(), SourceNotFound)
    assert bench.camera.attempts == 1
    bench.opened()
    assert bench.camera.attempts == 2


def test_it_is_closed_with_the_last_reader_and_can_be_opened_again(bench: Bench) -> None:
    one, other = bench.opened(), bench.opened()
    bench.close(one)
    assert bench.camera.closes == 0
    with pytest.raises(SourceLost):
        one.read(picture())
    bench.close(other)
    assert bench.camera.closes == 1
    bench.opened()
    assert bench.camera.opens == 2


def test_one_that_comes_while_it_is_closed_waits_until_it_is(
    bench: Bench, aside: ThreadPoolExecutor, release: threading.Event
) -> None:
    driver = Driver(release)
    bench.camera.on_close = driver
    first = bench.opened()
    closing = aside.submit(first.close)
    assert driver.stuck.wait(30)
    opening = aside.submit(bench.reader().open)
    wait_for(lambda: len(bench.shared._broadcasts) == 2)
    assert bench.camera.attempts == 1
    release.set()
    closing.result()
    opening.result()
    assert (bench.camera.opens, bench.camera.closes) == (2, 1)


def test_a_driver_that_hangs_costs_one_thread_and_no_reader(
    bench: Bench, release: threading.Event
) -> None:
    one, other, driver = bench.opened(), bench.opened(), Driver(release)
    bench.camera.exclusive = False
    bench.camera.give(driver)
    assert driver.stuck.wait(30)
    bench.clock.pass_s(STALL_S + 1)
    for reader in (one, other):
        with pytest.raises(SourceTimeout, match=f"camera: gave no frame for {STALL_S:g} s"):
            reader.read(picture())
        reader.close()
    assert bench.shared.abandoned == ("shared-1",)
    fresh = bench.opened()
    assert bench.camera.opens == 2
    release.set()
    bench.camera.give(Still(1))  # for the call that hung
    wait_for(lambda: not bench.shared.abandoned)
    bench.camera.give(Still(2))
    assert level_of(fresh) == 2, "what the old connection gives reaches nobody"


def test_the_least_patient_reader_gives_it_up_for_all(
    bench: Bench, release: threading.Event
) -> None:
    calm, hasty = [
        UsbSourceConfig.model_validate({"type": "usb", "reconnect": {"stall_s": stall_s}})
        for stall_s in (30, 2)
    ]
    one, other, driver = bench.opened(calm), bench.opened(hasty), Driver(release)
    bench.camera.give(driver, Still(1))
    assert driver.stuck.wait(30)
    bench.clock.pass_s(3)
    for reader in (other, one):
        with pytest.raises(SourceTimeout, match="gave no frame for 2 s"):
            reader.read(picture())


def test_a_source_that_says_that_it_is_slow_has_the_time_of_three_frames(
    bench: Bench, aside: ThreadPoolExecutor, release: threading.Event
) -> None:
    bench.camera.info = replace(bench.camera.info, fps=Fraction(1, 10))
    one, _, driver = bench.opened(), bench.opened(), Driver(release)
    bench.camera.give(driver, Still(1))
    assert driver.stuck.wait(30)
    bench.clock.pass_s(25)
    reading = aside.submit(level_of, one)
    release.set()
    assert reading.result() == 1


def test_one_that_comes_to_a_hung_driver_does_not_join(
    bench: Bench, aside: ThreadPoolExecutor, release: threading.Event
) -> None:
    alone, driver = bench.opened(), Driver(release)
    bench.camera.exclusive = False
    bench.camera.give(driver)
    reading = aside.submit(alone.read, picture())
    assert driver.stuck.wait(30)
    bench.clock.pass_s(STALL_S + 1)
    bench.opened()
    assert bench.camera.opens == 2
    assert not reading.done(), "the driver may still write into its array"
    release.set()
    bench.camera.give(Still(1))
    assert reading.result().pts == 1
    with pytest.raises(SourceTimeout):
        alone.read(picture())


def test_an_opening_that_hangs_is_given_up(bench: Bench, release: threading.Event) -> None:
    bench.camera.exclusive = False
    driver = Driver(release)
    bench.camera.opening.put(driver)
    with ThreadPoolExecutor() as pool:
        opening = pool.submit(bench.reader().open)
        assert driver.stuck.wait(30)
        bench.clock.pass_s(11)
        assert isinstance(opening.exception(), SourceTimeout)
    bench.opened()
    assert bench.camera.opens == 1


def test_with_too_many_threads_stuck_no_further_one_is_started(
    bench: Bench, aside: ThreadPoolExecutor, release: threading.Event
) -> None:
    bench.camera.exclusive = False
    for _ in range(4):
        driver = Driver(release)
        bench.camera.opening.put(driver)
        opening = aside.submit(bench.reader().open)
        assert driver.stuck.wait(30)
        bench.clock.pass_s(11)
        assert isinstance(opening.exception(), SourceTimeout)
    with pytest.raises(SourceTimeout, match="have not returned from its driver"):
        bench.reader().open()
    assert bench.camera.attempts == 4


def test_a_reader_that_asks_for_nothing_is_no_silence_of_the_source(bench: Bench) -> None:
    alone = bench.opened()
    bench.clock.pass_s(3600)
    bench.opened()
    bench.camera.give(Still(1))
    assert level_of(alone) == 1
    assert bench.camera.opens == 1


def test_passwords_and_settings_tell_sources_apart_and_reconnect_does_not(bench: Bench) -> None:
    def config(**fields: object) -> SourceConfig:
        url = "rtsp://host/1"
        return RtspSourceConfig.model_validate({"type": "rtsp", "url": url, **fields})

    bench.camera.exclusive = False
    alike = [
        config(username="a", password="b"),
        config(username="a", password="b", reconnect={"stall_s": 30}),
    ]
    others = [
        config(username="a", password="c"),
        config(username="a", password="b", transport="udp"),
        config(),
        USB,
    ]
    for each in (*alike, *others):
        bench.opened(each)
    assert bench.camera.opens == 1 + len(others)
    assert "password" not in repr(bench.shared) + repr(bench.readers)


def test_each_reader_has_its_own_crop(bench: Bench) -> None:
    whole, part = bench.reader(), bench.reader(crop=[(16, 8, 32, 16)])
    assert whole.open() == bench.camera.info
    assert (part.open().width, part.open().height) == (32, 16)
    bench.camera.give(Still(7))
    assert level_of(whole) == level_of(part, picture(32, 16)) == 7


def test_a_source_that_is_not_live_is_nobody_elses() -> None:
    shared = SharedSources()
    config = SyntheticSourceConfig(type="synthetic", width=64, height=48)
    assert isinstance(shared.make(config), SyntheticSource)
    assert isinstance(shared.make(USB), SharedReader)
