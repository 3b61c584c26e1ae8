"""Settings that change while a stream runs: valid as a whole, all of them or none."""

from __future__ import annotations

import os
import random
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from streamer import Pipeline
from streamer.compositing import Composer
from streamer.config import (
    ComposeConfig,
    Config,
    PreprocessConfig,
    RtspSourceConfig,
    Settings,
    load_config,
    parse_config,
)
from streamer.config.changing import WAYS
from streamer.controls import Applied, Refused
from streamer.errors import StageFailed
from streamer.loading import load_matting
from streamer.matting import EveryFrame
from streamer.stream import bounds as bounds_module
from streamer.stream import changes as changes_module
from tests.conftest import MakeModel
from tests.fakes import FakeMatting, FakeSegmenter, FakeSink, FakeSource
from tests.waiting import wait_for

BLUR = {"type": "blur"}
CONFIG = parse_config({"source": {"type": "synthetic"}, "sinks": [{"type": "discard"}]})


@pytest.fixture
def settings(make_model: MakeModel, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    model = make_model("one.onnx", size=32)

    def made(**changes: Any) -> dict[str, Any]:
        return {
            "source": {"type": "synthetic", "width": 64, "height": 48, "realtime": True, "fps": 60},
            "model": {"name": str(model), "providers": ["cpu"], "threads": 1},
            "sinks": [{"type": "record", "path": str(tmp_path / "a.mp4"), "layout": "composite"}],
        } | changes

    return made


@pytest.fixture
def stream(settings) -> Iterator[Pipeline]:
    with Pipeline.from_config(parse_config(settings())) as made:
        yield made


def answer(stream: Pipeline, **changes: object) -> Applied | Refused:
    return stream.apply({key.replace("__", "."): value for key, value in changes.items()})


def test_changes_are_numbered_and_in_the_configuration(stream: Pipeline) -> None:
    assert answer(stream, refine__threshold=0.6, compose__background=BLUR) == Applied(1)
    assert answer(stream, preprocess__roi=[(0, 0, 32, 32)]) == Applied(2)
    assert stream.config.refine.threshold == stream.settings.refine.threshold == 0.6
    assert stream.config.compose.background.type == "blur"
    assert stream.settings.preprocess.regions == stream.config.preprocess.regions
    assert len(stream.config.preprocess.regions) == 1


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("refine.threshold", 7, r"^refine\.threshold: 7 "),
        ("refine.treshold", 0.5, "^refine: unknown key 'treshold': did you mean 'threshold'"),
        ("compose.background", {"type": "image", "path": "gone.png"}, "gone.png"),
        ("compose.background", {"type": "video", "path": "gone.mp4"}, "gone.mp4"),
        ("preprocess.output", "cropped", "^preprocess: output: cropped needs a roi"),
        ("pipeline.ring_capacity", 9, r"^pipeline\.ring_capacity: is fixed while the stream runs$"),
        ("standby", {"show": "black"}, r"^standby\.show: is fixed while the stream runs$"),
        ("sinks.0.path", "b.mp4", "^the source is not open yet$"),
        ("sinks", [{"type": "display"}], "^sinks: a display is fixed while the stream runs$"),
        ("sinks.7.path", "b.mp4", r"^sinks\.7\.path: '7' is not one of"),
        ("model.name", "isnet", "^the source is not open yet$"),
        ("matting.mode", "tracking", "^matting.mode: 'tracking' "),
        ("source.fps", 5, r"^source\.fps: is fixed when the source starts"),
        ("name.of", "x", "^name.of: there is nothing below a plain value"),
    ],
)
def test_what_is_refused_changes_nothing_also_of_what_came_with_it(
    stream: Pipeline, key: str, value: object, why: str
) -> None:
    before = stream.config
    refused = stream.apply({"refine.feather_px": 3, key: value})
    assert isinstance(refused, Refused)
    assert refused.key == key
    assert refused.value == value
    assert re.search(why, refused.why), refused.why
    assert stream.config == before
    assert answer(stream, refine__feather_px=3) == Applied(1), "the refused one is not counted"


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"refine.feather": "inward", "refine.feather_px": 99}, "refine.feather_px"),
        ({"refine.threshold": 0.6, "compose.background": {"type": "fog"}}, "compose.background"),
        ({"preprocess.roi": None, "preprocess.max_side": 1}, "preprocess.max_side"),
        ({"refine.gain": 2.0, "matting.mode": "tracked"}, "matting.mode"),
        ({"source.fps": 60, "source.reconnect": {}}, "source.reconnect"),
    ],
)
def test_the_key_that_is_refused_is_named(stream: Pipeline, changes, key: str) -> None:
    refused = stream.apply(changes)
    assert isinstance(refused, Refused)
    assert refused.key == key


def test_what_is_already_made_is_looked_at_again(stream: Pipeline) -> None:
    copied = stream.settings.refine.model_copy(update={"threshold": 7})
    refused = answer(stream, refine=copied)
    assert isinstance(refused, Refused)
    assert "threshold" in refused.why
    blur = dict(BLUR)
    applied = stream.apply({"compose.background": blur, "compose.background.strength": 0.9})
    assert applied == Applied(1)
    assert blur == BLUR, "the caller's is not written to"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("kind", ["image", "video"])
def test_a_background_that_is_no_file_is_not_waited_for(stream: Pipeline, tmp_path, kind) -> None:
    os.mkfifo(tmp_path / "pipe")
    refused = answer(stream, compose__background={"type": kind, "path": str(tmp_path / "pipe")})
    assert isinstance(refused, Refused)
    assert "is no file" in refused.why


def test_a_background_that_is_slow_to_open_holds_up_no_other_change(stream, monkeypatch) -> None:
    opening, may_open = threading.Event(), threading.Event()

    def slow(*_: object) -> Any:
        opening.set()
        assert may_open.wait(10)
        return SimpleNamespace(close=lambda: None)

    monkeypatch.setattr(bounds_module, "make_backdrop", slow)
    answers: list[Applied | Refused] = []
    changing = threading.Thread(
        target=lambda: answers.append(answer(stream, compose__background=BLUR))
    )
    changing.start()
    assert opening.wait(10)
    assert answer(stream, refine__threshold=0.3) == Applied(1)
    may_open.set()
    changing.join()
    assert answers == [Applied(2)]
    assert stream.config.refine.threshold == 0.3, "it is not undone by the one that was slow"
    assert stream.config.compose.background.type == "blur"


def test_regions_must_be_in_the_frame_once_its_size_is_known(stream: Pipeline) -> None:
    with stream:
        stream.start()
        wait_for(lambda: stream.statistics().frames["emitted"] > 0)
        refused = answer(stream, preprocess__roi=[(100, 0, 20, 20)])
        assert isinstance(refused, Refused)
        assert "100" in refused.why
        assert not stream.config.preprocess.regions
        assert answer(stream, preprocess__roi=[(10, 0, 20, 20)]) == Applied(1)


def test_a_source_that_is_cropped_keeps_its_regions(settings) -> None:
    cropped = {"roi": [[0, 0, 32, 32]], "output": "cropped"}
    with Pipeline.from_config(parse_config(settings(preprocess=cropped))) as stream:
        assert isinstance(answer(stream, preprocess__roi=None), Refused)
        assert answer(stream, refine__threshold=0.4) == Applied(1)
        assert len(stream.config.preprocess.regions) == 1


def test_what_is_shown_follows(stream: Pipeline, tmp_path: Path) -> None:
    picture = np.full((48, 64, 3), (0, 200, 0), np.uint8)
    cv2.imwrite(str(tmp_path / "green.png"), picture)
    background = {"type": "image", "path": str(tmp_path / "green.png")}
    with stream:
        stream.start()
        wait_for(lambda: stream.statistics().frames["emitted"] > 0)
        assert answer(stream, compose__background=background) == Applied(1)
        # Nobody is there with such a threshold: it is all background.
        assert answer(stream, refine__gain=0.001) == Applied(2)
        shown = stream.statistics().frames["emitted"]
        wait_for(lambda: stream.statistics().frames["emitted"] > shown + 20)
    film = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    frames = [frame for kept, frame in iter(film.read, (False, None)) if kept]
    assert np.abs(frames[-1].mean(axis=(0, 1)) - (0, 200, 0)).max() < 12
    assert np.abs(frames[0].mean(axis=(0, 1)) - (0, 200, 0)).max() > 30


def test_a_stream_of_ones_own_parts_can_be_changed_too() -> None:
    sink = FakeSink()
    stream: Pipeline

    def change(number: int) -> None:
        if number == 5:
            wait_for(lambda: len(sink.alphas) == 5)
            assert answer(stream, refine__invert=True) == Applied(1)

    source = FakeSource(10, on_read=change)
    stream = Pipeline(source, EveryFrame(FakeSegmenter()), [sink])
    refused = answer(stream, source__fps=5)
    assert isinstance(refused, Refused)
    assert "made from parts" in refused.why
    stream.run()
    assert sink.alphas == [0, 1, 2, 3, 4, 250, 249, 248, 247, 246]
    assert sink.numbers == [0] * 5 + [1] * 5


def test_a_change_of_the_model_is_made_when_it_runs(stream: Pipeline, make_model) -> None:
    other = str(make_model("two.onnx", size=64))
    with stream:
        stream.start()
        wait_for(lambda: stream.statistics().frames["emitted"] > 0)
        applied = answer(stream, model__name=other, refine__gain=0.5, preprocess__denoise=0.1)
        assert applied == Applied(1), "all at once"
        assert stream.model == stream.config.model.name == other
        assert stream.settings.refine.gain == 0.5
        assert stream.status().model.input_size == (64, 64)
        assert answer(stream, matting__mode="tracked") == Applied(2)
        assert stream.mode == "tracked"


def test_a_model_that_cannot_be_loaded_changes_nothing(stream: Pipeline, tmp_path) -> None:
    with stream:
        stream.start()
        wait_for(lambda: stream.statistics().frames["emitted"] > 0)
        before = stream.config
        refused = answer(stream, refine__gain=0.5, model__name=str(tmp_path / "none.onnx"))
        assert isinstance(refused, Refused)
        assert refused.key == "model.name"
        assert "no such file" in refused.why
        assert stream.config == before
        assert stream.settings.number == 0


def test_what_changes_while_a_model_is_loaded_stays(stream: Pipeline, monkeypatch) -> None:
    loading, may_load = threading.Event(), threading.Event()

    def slow(*args: Any, **options: Any) -> Any:
        loading.set()
        assert may_load.wait(20)
        return load_matting(*args, **options)

    monkeypatch.setattr(changes_module, "load_matting", slow)
    with stream:
        stream.start()
        wait_for(lambda: stream.statistics().frames["emitted"] > 0)
        switched = stream.switch(mode="tracked")
        assert loading.wait(10)
        assert answer(stream, refine__gain=0.5) == Applied(1), "nobody waits for the model"
        refused = answer(stream, matting__effort="fast")
        assert isinstance(refused, Refused)
        assert "another model is still on its way" in refused.why
        may_load.set()
        assert switched.result(20) == Applied(2)
        assert stream.config.refine.gain == 0.5
        assert stream.config.matting.mode == "tracked"


def test_two_changes_that_need_a_model_are_never_mixed(
    stream: Pipeline, make_model, monkeypatch
) -> None:
    """The first is slow to be checked: the second is refused, and what runs is what is said."""
    opening, may_open = threading.Event(), threading.Event()

    def slow(*_: object) -> Any:
        opening.set()
        assert may_open.wait(20)
        return SimpleNamespace(close=lambda: None)

    first = {"matting.mode": "tracked", "compose.background": BLUR}
    second = {"model.name": str(make_model("two.onnx", size=64))}
    with stream:
        stream.start()
        wait_for(lambda: stream.statistics().frames["emitted"] > 0)
        monkeypatch.setattr(bounds_module, "make_backdrop", slow)
        answers: list[Applied | Refused] = []
        changing = threading.Thread(target=lambda: answers.append(stream.apply(first)))
        changing.start()
        assert opening.wait(10)
        assert stream.apply(second) == Applied(1), "the first has not begun to load"
        may_open.set()
        changing.join()
        assert answers == [Applied(2)]
        assert stream.config.model.name == second["model.name"]
        assert stream.config.matting.mode == "tracked"
        status = stream.status()
        assert status.model.input_size == (64, 64)
        assert status.matting["mode"] == "tracked"


def test_what_would_not_go_with_a_change_under_way_is_refused(settings) -> None:
    source = {"type": "rtsp", "url": "rtsp://127.0.0.1:9/a"}
    with Pipeline.from_config(parse_config(settings(source=source))) as stream:
        # As while another thread's matting is loaded.
        stream._changes._pending = {"matting.mode": "tracked", "source.transport": "udp"}
        refused = answer(stream, source__url="rtsps://127.0.0.1:9/a")
        assert isinstance(refused, Refused)
        assert refused.key == "source.url"
        assert "under way" in refused.why
        assert "udp" in refused.why
        assert answer(stream, source__url="rtsp://127.0.0.1:9/b") == Applied(1)
        refused = answer(stream, matting__effort="fast")
        assert isinstance(refused, Refused)
        assert "on its way" in refused.why


def test_who_waits_is_answered_also_where_the_old_model_cannot_be_closed() -> None:
    class Stuck(EveryFrame):
        def close(self) -> None:
            raise OSError("the device is gone")

    stream = Pipeline(FakeSource(None, period_s=0.01), Stuck(FakeSegmenter()), [FakeSink()])
    stream.start()
    wait_for(lambda: stream.statistics().frames["emitted"] > 0)
    assert stream.use(lambda: EveryFrame(FakeSegmenter())).result(20) is None
    with pytest.raises(StageFailed, match="the device is gone"):
        stream.join()


def test_a_change_of_nothing_is_none(stream: Pipeline) -> None:
    assert stream.apply({}) == Applied(0)
    assert answer(stream, refine__gain=0.5) == Applied(1)
    assert answer(stream, refine__gain=0.5) == Applied(1)
    assert stream.settings.number == 1


def test_parts_keep_what_they_were_made_with_until_something_is_changed() -> None:
    green = Settings(compose=ComposeConfig.model_validate({"background": "green"}))
    composer = Composer("composite", green)
    shown: list[int] = []

    class Showing(FakeSink):
        def write(self, frame: Any, matte: Any) -> None:
            super().write(frame, matte)
            shown.append(int(composer.picture_of(frame, matte)[0, 0, 1]))

    Pipeline(FakeSource(1), EveryFrame(FakeSegmenter()), [Showing()]).run()
    assert shown[0] > 100, "frame 0 is black and has no subject"
    with pytest.raises(ValueError, match="give one of the two"):
        Pipeline(
            FakeSource(), EveryFrame(FakeSegmenter()), [FakeSink()], config=CONFIG, settings=green
        )


def test_a_recording_that_begins_later_is_made_by_the_settings_of_then(settings, tmp_path) -> None:
    picture = tmp_path / "beach.png"
    cv2.imwrite(str(picture), np.zeros((8, 8, 3), np.uint8))
    background = {"type": "image", "path": str(picture)}
    with Pipeline.from_config(parse_config(settings(compose={"background": background}))) as stream:
        stream.start()
        wait_for(lambda: stream.statistics().frames["emitted"] > 0)
        assert answer(stream, compose__background=BLUR) == Applied(1)
        stream.record(on=False)
        wait_for(lambda: not stream.report()["sinks"][0]["recording"])
        picture.unlink()
        stream.record(on=True)
        wait_for(lambda: (tmp_path / "a-2.mp4").exists())


def test_the_table_of_ways_has_every_option_once_and_no_other() -> None:
    """A key that is misspelt there would need a restart, unnoticed."""
    sections = set(Config.model_fields)
    assert {key.partition(".")[0] for key in WAYS} == sections
    options = {"preprocess": PreprocessConfig.model_fields, "source": RtspSourceConfig.model_fields}
    for key in WAYS:
        section, _, name = key.partition(".")
        assert not name or name in options[section]


def test_a_refusal_does_not_tell_what_may_be_a_secret(stream: Pipeline) -> None:
    refused = answer(stream, sinks__0={"type": "rtsp", "publish": "rtsp://me:secret@host/x"})
    assert isinstance(refused, Refused)
    assert "secret" not in repr(refused)
    for told in (("rtsp", "secret"), {"type": "rtsp", "url": 5, "username": ["secret"]}):
        refused = answer(stream, source=told)
        assert isinstance(refused, Refused)
        assert "secret" not in repr(refused)


def test_changes_from_four_threads_are_all_answered_and_leave_a_stream_that_starts_again(
    stream: Pipeline, tmp_path: Path
) -> None:
    some = (
        lambda dice: {"refine.threshold": dice.choice([0.2, 0.5, 1.0, 1.5, "much"])},
        lambda dice: {"refine.grow_px": dice.choice([-3, 1, 99]), "compose.colours": "clean"},
        lambda dice: {"compose.background": dice.choice([BLUR, {"type": "dim"}, {"type": "fog"}])},
        lambda dice: {"compose.background": {"type": "image", "path": "gone.png"}},
        lambda dice: {"preprocess.roi": dice.choice([None, [(0, 0, 32, 32)], [(99, 99, 5, 5)]])},
        lambda dice: {"sinks": []},
        lambda dice: {"matting.mode": dice.choice(["tracked", "every_frame", "both"])},
        lambda dice: {"model.name": "gone.onnx", "refine.invert": True},
    )
    answers: list[Applied | Refused] = []

    numbers: list[list[int]] = [[] for _ in range(4)]
    own = ("gain", "min_fragment", "fill_holes", "feather_px")

    def change(seed: int) -> None:
        dice = random.Random(seed)
        for step in range(1, 26):
            answers.append(stream.apply({f"refine.{own[seed]}": step / 50}))
            answers.append(stream.apply(dice.choice(some)(dice)))
            numbers[seed].append(stream.settings.number)
            mine = getattr(stream.config.refine, own[seed])
            assert mine == step / 50, "nobody else changes this one"
            parse_config(stream.config.model_dump())  # raises, if it is not valid

    with stream:
        stream.start()
        wait_for(lambda: stream.statistics().frames["emitted"] > 0)
        threads = [threading.Thread(target=change, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        saved = load_config(stream.save(tmp_path / "saved"))
        assert saved == stream.config
    assert len(answers) == 200, "no thread has failed"
    made = [one.number for one in answers if isinstance(one, Applied)]
    assert set(made) - {0} == set(range(1, max(made) + 1)), "one that changes nothing has no number"
    assert 100 < len(made) < 200
    assert all(seen == sorted(seen) for seen in numbers), "they only grow"
    assert not stream.config.refine.invert, "its model could not be had"
    assert stream.report()["error"] is None
    (tmp_path / "a.mp4").unlink()
    with Pipeline.from_config(saved) as again:
        again.start()
        wait_for(lambda: again.statistics().frames["emitted"] > 0)


def test_each_frame_is_one_setting_from_its_model_to_every_sink() -> None:
    """The alpha says by which gain it was refined; both sinks are told the number of that."""
    gains = [0.2, 0.4, 0.6, 0.8, 1.0]
    by_number = {0: 1.0}
    sinks = [FakeSink(), FakeSink()]
    changing = threading.Event()

    def change(seed: int) -> None:
        dice = random.Random(seed)
        while not changing.wait(0.001):
            gain = dice.choice(gains)
            answered = stream.apply({"refine.gain": gain})
            assert isinstance(answered, Applied)
            by_number[answered.number] = gain

    source = FakeSource(300, live=True, period_s=0.002)
    stream = Pipeline(source, FakeMatting(delay=3), sinks, ring_capacity=64, sink_queue=64)
    threads = [threading.Thread(target=change, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    stream.run()
    changing.set()
    for thread in threads:
        thread.join()
    for sink in sinks:
        shown = zip(sink.pictures, sink.alphas, sink.numbers, strict=True)
        assert all(
            abs(alpha - min(255, by_number[number] * picture)) <= 1
            for picture, alpha, number in shown
        )
        assert sink.numbers == sorted(sink.numbers)
    told = [dict(zip(sink.indices, sink.numbers, strict=True)) for sink in sinks]
    assert all(told[1].get(index, number) == number for index, number in told[0].items())
    assert len(set(sinks[0].numbers)) > 5
