import threading

import numpy as np
import pytest

from streamer.errors import SegmentError
from streamer.matting.tracking import asking as asking_module
from streamer.matting.tracking.asking import Background, Direct, Share
from streamer.matting.tracking.keys import Key


class SlowLooker:
    """Writes the image's blue, once it may."""

    def __init__(self) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.thread = ""
        self.error: Exception | None = None

    def look(self, key, image, view) -> None:
        self.thread = threading.current_thread().name
        self.begun.set()
        assert self.may_end.wait(10)
        if self.error is not None:
            raise self.error
        np.copyto(key.alpha, image[:, :, 0])


@pytest.fixture
def looker():
    made = SlowLooker()
    yield made
    made.may_end.set()


def question():
    return Key((48, 64), (48, 64)), np.full((48, 64, 3), 9, np.uint8)


def answer_of(asking: Background) -> Key:
    """Asked for as frames do it, until it is there."""
    pause = threading.Event()
    for _ in range(2000):
        if (key := asking.answer()) is not None:
            return key
        pause.wait(0.005)
    raise AssertionError("no answer came")


def test_an_answer_comes_from_a_thread_while_the_caller_goes_on(looker):
    asking = Background()
    key, image = question()
    asking.ask(key, image, looker, "whole")
    assert looker.begun.wait(10)
    assert asking.busy
    assert asking.answer() is None
    image.fill(77)  # it was copied: the frame may go
    looker.may_end.set()
    assert answer_of(asking) is key
    assert (key.alpha == 9).all()
    assert not asking.busy
    assert asking.answer() is None, "an answer is told once"
    assert looker.thread != threading.current_thread().name
    asking.close()


@pytest.mark.parametrize(
    ("spent", "waited", "share"),
    [
        pytest.param(40_000_000, 0, 1.0, id="it waited for something else than a core"),
        pytest.param(10_000_000, 30_000_000, 0.25, id="it waited for a core"),
        pytest.param(0, 0, 1.0, id="it has not begun to work"),
    ],
)
def test_a_models_share_is_of_the_time_that_it_wants_a_core(
    looker, monkeypatch, spent, waited, share
):
    told = iter([(0, 0)])
    monkeypatch.setattr(asking_module._Spell, "_read", lambda _: next(told, (spent, waited)))
    asking = Background()
    asking.ask(*question(), looker, "whole")
    assert looker.begun.wait(10)
    spell = asking._spell
    assert spell is not None
    assert spell.share()[0] == pytest.approx(share)
    assert (asking.share < 1) == (share < 1)
    looker.may_end.set()
    answer_of(asking)
    assert (asking.share < 1) == (share < 1), "it is remembered"
    asking.close()


def test_linux_says_how_long_a_thread_was_on_a_core_and_waited_for_one(tmp_path):
    spell = asking_module._Spell()
    spell._path = tmp_path / "schedstat"
    assert spell._read() is None
    spell._path.write_text("5000000 7000000 12\n")
    assert spell._read() == (5_000_000, 7_000_000)


def test_a_share_is_an_average_over_the_latest_second():
    share = Share()
    share.after(0.0, 0.05)
    assert share.mean > 0.9
    assert share.during(0.0, 3.0) < 0.1
    share.after(0.0, 3.0)
    assert share.mean < 0.1
    share.after(1.0, 3.0)
    assert share.mean > 0.9


def test_it_answers_again_and_for_another_size(looker):
    asking = Background()
    looker.may_end.set()
    for height in (48, 48, 96):
        key = Key((height, 64), (48, 64))
        asking.ask(key, np.full((height, 64, 3), height, np.uint8), looker, "crops")
        assert answer_of(asking) is key
        assert (key.alpha == height).all()
    asking.close()


def test_until_its_answer_is_taken_it_is_busy(looker):
    asking = Background()
    looker.may_end.set()
    asking.ask(*question(), looker, "whole")
    assert looker.begun.wait(10)
    assert asking.busy, "whether the model still works or not"
    answer_of(asking)
    asking.close()


def test_the_models_failure_is_raised_where_the_answer_is_asked_for(looker):
    asking = Background()
    looker.error = SegmentError("the model is ill")
    looker.may_end.set()
    asking.ask(*question(), looker, "whole")
    with pytest.raises(SegmentError, match="the model is ill"):
        answer_of(asking)
    with pytest.raises(SegmentError, match="the model is ill"):
        asking.answer()
    asking.close()


def test_it_is_closed_idle_and_twice(looker):
    looker.may_end.set()
    asking = Background()
    asking.close()
    asking = Background()
    asking.ask(*question(), looker, "whole")
    answer_of(asking)
    asking.close()
    asking.close()
    assert "streamer-model" not in {thread.name for thread in threading.enumerate()}


def test_closing_waits_for_the_model_that_is_at_work(looker):
    asking = Background()
    asking.ask(*question(), looker, "whole")
    assert looker.begun.wait(10)
    closing = threading.Thread(target=asking.close)
    closing.start()
    assert closing.is_alive()
    looker.may_end.set()
    closing.join(10)
    assert not closing.is_alive()
    assert "streamer-model" not in {thread.name for thread in threading.enumerate()}


def test_of_a_file_the_answer_is_there_at_once(looker):
    asking = Direct()
    key, image = question()
    looker.may_end.set()
    assert asking.answer() is None
    asking.ask(key, image, looker, "whole")
    assert not asking.busy
    assert asking.answer() is key
    assert asking.answer() is None
    assert looker.thread == threading.current_thread().name
    looker.error = SegmentError("the model is ill")
    with pytest.raises(SegmentError, match="the model is ill"):
        asking.ask(key, image, looker, "whole")
    asking.close()
