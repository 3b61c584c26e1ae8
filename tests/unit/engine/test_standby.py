"""While a live source is away its outputs go on, and never show the room."""

from __future__ import annotations

import threading
import time
from fractions import Fraction

import numpy as np
import pytest

from streamer.config import ReconnectConfig, StandbyConfig
from streamer.engine import Engine, Standby
from streamer.engine.ring import DropPolicy, FrameRing, Lease
from streamer.errors import SourceLost, SourceRefused
from streamer.frame import Frame, Matte, Stamp
from streamer.matting import EveryFrame
from tests.fakes import FakeSegmenter, FakeSink, FakeSource

LOST = SourceLost("fake: hung up")


class Watching(FakeSink):
    """Keeps the mean of each picture and of its alpha, beside the stamps."""

    def write(self, frame: Frame, matte: Matte) -> None:
        super().write(frame, matte)
        self.means.append((float(frame.image.mean()), float(matte.alpha.mean())))

    def __init__(self) -> None:
        super().__init__()
        self.means: list[tuple[float, float]] = []

    def of_standby(self) -> list[tuple[float, float]]:
        return [mean for mean, s in zip(self.means, self.stamps, strict=True) if s.standby]


def lost_once(
    show: str, *, draw=lambda out, text: out.fill(40), **options
) -> tuple[dict, Watching]:
    """A run whose source is lost after ten frames, and comes back for ten more."""
    sink = Watching()
    enough = threading.Event()

    def gave_stand_ins() -> None:
        if sum(stamp.standby for stamp in sink.stamps) < 3:
            raise SourceRefused("fake: connection refused")

    sources = iter(
        FakeSource(10, live=True, period_s=0.01, on_open=gave_stand_ins) for _ in range(99)
    )
    first = FakeSource(10, live=True, period_s=0.01, events={10: LOST})
    report = Engine(
        first,
        EveryFrame(FakeSegmenter()),
        [sink],
        fresh=lambda: next(sources),
        reconnect=ReconnectConfig(first_s=0.1, max_s=0.1),
        standby=Standby(StandbyConfig.model_validate({"show": show}), draw),
        **options,
    ).run(should_stop=enough.is_set)
    return report, sink


def test_a_card_has_no_alpha_and_does_not_count_as_a_frame() -> None:
    report, sink = lost_once("card")
    assert set(sink.of_standby()) == {(40.0, 0.0)}
    real = len(sink.stamps) - len(sink.of_standby())
    assert real > 15, "the first may be skimmed"
    assert report["frames"] == {
        "captured": real,
        "inferred": real,
        "propagated": 0,
        "empty": 0,
        "emitted": real,
        "standby": len(sink.of_standby()),
    }
    assert report["frames"]["standby"] >= 3
    assert not any(report["drops"].values())
    assert report["reconnects"] == 1
    assert report["source"]["state"] == "ended"
    assert 0.4 < report["source"]["away_s"] < 3
    assert {o for o, s in zip(sink.origins, sink.stamps, strict=True) if s.standby} == {"empty"}


def test_black_is_black() -> None:
    _, sink = lost_once("black")
    assert set(sink.of_standby()) == {(0.0, 0.0)}


def test_a_frozen_picture_is_the_last_frame_with_its_own_matte() -> None:
    _, sink = lost_once("freeze")
    assert set(sink.of_standby()) == {(9.0, 9.0)}
    assert {o for o, s in zip(sink.origins, sink.stamps, strict=True) if s.standby} == {
        "propagated"
    }


def test_a_frozen_picture_costs_one_slot_and_no_frame() -> None:
    report, _ = lost_once("freeze", ring_capacity=1, sink_queue=1)
    frames = report["frames"]
    assert frames["captured"] == frames["emitted"] + sum(report["drops"].values())


def test_time_goes_on_in_the_stamps_of_what_stands_in() -> None:
    _, sink = lost_once("card")
    times = [(stamp.pts_s, stamp.captured_ns / 1e9) for stamp in sink.stamps]
    assert times == sorted(times)
    begun = next(n for n, stamp in enumerate(sink.stamps) if stamp.standby)
    for pts_s, captured_s in times[begun:]:
        passed = (pts_s - times[begun][0]) - (captured_s - times[begun][1])
        # Their time base is a 25th, and the frames after it come faster than they say.
        assert abs(passed) < 0.5


def lease_of(ring: FrameRing, stamp: Stamp, level: int = 200) -> Lease:
    with ring.reserve(4, 6) as slot:
        slot.image.fill(level)
        slot.commit(stamp)
    lease = ring.take()
    lease.alpha.fill(level)
    return lease


def stamp(index: int, epoch: int = 0, *, standby: bool = True) -> Stamp:
    return Stamp(index, index, Fraction(1, 25), 0, epoch, standby)


@pytest.fixture
def ring() -> FrameRing:
    return FrameRing(4, DropPolicy.DROP_OLDEST, leases=4)


def test_the_card_is_drawn_once_for_each_epoch_and_text(ring) -> None:
    drawn: list[str] = []
    standby = Standby(StandbyConfig(text="{state} ..."), lambda out, text: drawn.append(text))
    for index, epoch, state in [
        (0, 0, "stalled"),
        (1, 0, "reconnecting"),
        (2, 0, "reconnecting"),
        (3, 1, "reconnecting"),
    ]:
        with lease_of(ring, stamp(index, epoch)) as lease:
            standby.matte(lease, state)
    assert drawn == ["stalled ...", "reconnecting ...", "reconnecting ..."]


def test_the_whole_of_a_card_is_written_where_a_frame_of_the_room_was(ring) -> None:
    standby = Standby(StandbyConfig(show="black"))
    with lease_of(ring, stamp(0), level=200) as lease:
        matte = standby.matte(lease, "stalled")
        assert not lease.frame.image.any()
        assert not matte.alpha.any()
    assert matte.is_card


def test_without_a_last_frame_of_this_size_a_card_takes_its_place(ring) -> None:
    standby = Standby(StandbyConfig(show="freeze"), lambda out, text: out.fill(40))
    with lease_of(ring, stamp(0)) as lease:
        assert standby.matte(lease, "stalled").is_card
        assert (lease.frame.image == 40).all()
    with lease_of(ring, stamp(1, standby=False), level=77) as lease:
        standby.keep(lease, Matte(lease.alpha, lease.frame.stamp, "inferred"))
    with lease_of(ring, stamp(3)) as lease:
        matte = standby.matte(lease, "stalled")
        assert (matte.origin, matte.age, matte.is_card) == ("propagated", 2, False)
        assert (lease.frame.image == 77).all()
        assert (matte.alpha == 77).all()
    assert ring.statistics().leased == 1
    standby.close()
    standby.close()
    assert ring.statistics().leased == 0


def test_a_stop_while_the_source_is_away_is_at_once(caplog) -> None:
    sink = FakeSink()
    built = Engine(
        FakeSource(60, live=True, period_s=0.01, events={60: LOST}),
        EveryFrame(FakeSegmenter()),
        [sink],
        fresh=FakeSource,
        reconnect=ReconnectConfig(first_s=30),
    )
    with built:
        built.start()
        while not any(stamp.standby for stamp in sink.stamps):
            time.sleep(0.01)
        assert built.statistics().source.state == "reconnecting"
        started = time.monotonic()
    assert time.monotonic() - started < 10
    assert built.report()["error"] is None
    assert built.statistics().source.state == "ended"
    assert np.diff([stamp.index for stamp in sink.stamps]).min() >= 1
