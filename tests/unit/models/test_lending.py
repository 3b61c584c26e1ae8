"""A graph that is loaded is lent to all who want the same one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from streamer.config import ModelConfig
from streamer.core.cpu import giving_way
from streamer.errors import ModelError
from streamer.models import load_segmenter
from streamer.models.runtime import lending, onnxruntime
from streamer.models.runtime.turns import User
from streamer.protocols import Segmenter
from tests.conftest import MakeModel

Load = Callable[..., Segmenter]


@pytest.fixture
def load(make_model: MakeModel) -> Load:
    path = str(make_model(size=32))

    def loaded(**options: object) -> Segmenter:
        config = ModelConfig(**{"name": path, "providers": ["cpu"], "threads": 1, **options})
        return load_segmenter(config)[0]

    return loaded


def picture(level: int) -> np.ndarray:
    return np.full((32, 32, 3), level, np.uint8)


def alpha_of(segmenter: Segmenter, level: int) -> int:
    out = np.empty((32, 32), np.uint8)
    segmenter.segment(picture(level), out)
    return int(out[16, 16])


def test_two_who_want_the_same_share_a_session(load: Load, opened: list[Path]) -> None:
    one, other = load(), load()
    assert len(opened) == 1
    assert alpha_of(one, 10) != alpha_of(one, 90)
    assert alpha_of(other, 10) == alpha_of(one, 10)


def test_each_has_its_own_answers_also_at_the_same_time(load: Load, opened: list[Path]) -> None:
    levels = (10, 90)
    alone = [alpha_of(load(), level) for level in levels]
    found: list[set[int]] = [set(), set()]
    begin = threading.Barrier(2)

    def look(number: int) -> None:
        segmenter = load()
        begin.wait(10)
        found[number] = {alpha_of(segmenter, levels[number]) for _ in range(200)}

    threads = [threading.Thread(target=look, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [{alone[0]}, {alone[1]}]


def test_on_a_cpu_they_share_the_tensors_too_and_what_is_warm_is_not_warmed_again(
    make_model: MakeModel,
) -> None:
    config = ModelConfig(
        name=str(make_model(size="side")), input_size=256, providers=["cpu"], threads=1
    )
    first, second = User(), User()
    one, _ = load_segmenter(config, ladder=(64, 128), user=first)
    one.warm_up()
    other, _ = load_segmenter(config, ladder=(64, 128), user=second)
    other.warm_up()
    assert (first.use().runs, second.use().runs) == (3, 0)
    assert one.sizes == other.sizes == ((64, 64), (128, 128), (256, 256))
    before = len(lending._bound)
    normalized, _ = load_segmenter(config.model_copy(update={"normalize": True}))
    assert alpha_of(one, 50) == alpha_of(other, 50)
    assert alpha_of(normalized, 50) == 0, "a flat estimate, stretched"
    assert len(lending._bound) == before + 1, "what is read otherwise has its own"


def test_who_closes_takes_nothing_from_the_others_and_the_last_frees_it(
    load: Load, opened: list[Path]
) -> None:
    before = len(lending._loaded), len(lending._bound)
    one, other = load(), load()
    wanted = alpha_of(one, 50)
    one.close()
    assert alpha_of(other, 50) == wanted
    other.close()
    assert (len(lending._loaded), len(lending._bound)) == before
    load().close()
    assert len(opened) == 2, "it was loaded anew"


@pytest.mark.parametrize(
    "options", [{"threads": 2}, {"precision": "fp32"}, {"options": {"cuda": {"cuda_graphs": True}}}]
)
def test_other_settings_have_a_session_of_their_own(
    load: Load, opened: list[Path], options: dict[str, object]
) -> None:
    one, other = load(), load(**options)
    assert len(opened) == 2
    assert alpha_of(one, 50) == alpha_of(other, 50)


def test_a_model_that_gives_way_is_not_shared_with_one_that_does_not(
    load: Load, opened: list[Path]
) -> None:
    kept = load(), giving_way(load), giving_way(load)
    assert len(opened) == 2
    assert len({alpha_of(one, 50) for one in kept}) == 1


def test_another_file_of_the_same_name_is_another_graph(
    load: Load, make_model: MakeModel, opened: list[Path]
) -> None:
    one = load()
    make_model(size=32, bias=-60.0)
    other = load()
    assert len(opened) == 2
    assert alpha_of(one, 90) != alpha_of(other, 90) == 0


def test_what_cannot_be_loaded_is_tried_again(
    load: Load, monkeypatch: pytest.MonkeyPatch, opened: list[Path]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ModelError("no memory")

    with monkeypatch.context() as patched:
        patched.setattr(onnxruntime, "open_session", broken)
        with pytest.raises(ModelError, match="no memory"):
            load()
    assert alpha_of(load(), 50)
