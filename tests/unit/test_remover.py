"""Pictures from Python, and the package's face."""

from __future__ import annotations

import copy
import pickle
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

import streamer
from streamer import BackgroundRemover
from streamer.config import RefineConfig
from streamer.errors import ConfigError, ModelNotFound, SegmentError


@pytest.fixture
def image(photographs) -> np.ndarray:
    return photographs["coffee"]


def test_both_channel_orders_give_the_same_alpha_and_keep_their_order(make_model, image) -> None:
    with BackgroundRemover(str(make_model())) as remover:
        cutout, mask = remover(image, order="bgr")
        swapped, same = remover(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), order="rgb")
    assert (mask == same).all()
    assert (swapped[:, :, ::-1] == cutout).all()
    assert set(np.unique(mask)) == {0, 255}


def test_the_cutout_is_black_where_the_mask_is(make_model, image) -> None:
    cutout, mask = BackgroundRemover(str(make_model()))(image)
    assert cutout.shape == image.shape
    assert not cutout[mask == 0].any()
    assert cutout[mask == 255].any()


def test_rgba_has_the_soft_alpha(make_model, image) -> None:
    remover = BackgroundRemover(str(make_model()), rgba=True)
    cutout, _ = remover(image)
    assert cutout.shape == (*image.shape[:2], 4)
    assert (cutout[:, :, 3] == remover.alpha(image)).all()
    assert len(np.unique(cutout[:, :, 3])) > 10


def test_what_is_returned_is_the_callers_to_keep(make_model, image) -> None:
    remover = BackgroundRemover(str(make_model()))
    first, first_mask = remover(image)
    kept, kept_mask = first.copy(), first_mask.copy()
    remover(np.zeros_like(image))
    assert (first == kept).all()
    assert (first_mask == kept_mask).all()


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((4, 4, 3), np.float32),
        np.zeros((0, 4, 3), np.uint8),
    ],
)
def test_what_is_not_a_picture_is_refused(make_model, bad) -> None:
    with pytest.raises(ValueError, match=r"\(H, W, 3\) uint8"):
        BackgroundRemover(str(make_model()))(bad)


@pytest.mark.parametrize(
    ("given", "told"),
    [(None, "not None"), ([[0]], "of type list"), (Path("a.png"), "of type P"), ("a.png", "str")],
)
def test_what_is_no_array_is_refused_with_what_it_is(make_model, given, told) -> None:
    with pytest.raises(ValueError, match=rf"\(H, W, 3\) uint8, .*{told}"):
        BackgroundRemover(str(make_model()))(given)


def test_a_misspelt_model_is_named_with_the_nearest() -> None:
    with pytest.raises(ModelNotFound, match=r"rmbg-1\.4"):
        BackgroundRemover("rmgb-1.4")


def test_arguments_out_of_range_are_named(make_model) -> None:
    with pytest.raises(ConfigError, match="threshold"):
        BackgroundRemover(str(make_model()), threshold=0)
    with pytest.raises(ConfigError, match="precision"):
        BackgroundRemover(str(make_model()), precision="int4")
    with pytest.raises(ConfigError, match=r"refine\.feather_px: .*64"):
        BackgroundRemover(str(make_model()), refine={"feather_px": 65})
    with pytest.raises(ConfigError, match=r"refine: unknown key 'fether': did you mean"):
        BackgroundRemover(str(make_model()), refine={"fether": "inward"})
    with pytest.raises(ConfigError, match=r"refine: "):
        BackgroundRemover(str(make_model()), refine="soft")
    with pytest.raises(ConfigError, match="colours"):
        BackgroundRemover(str(make_model()), colours="bright")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"threads": 0}, "threads: 0 is not 'auto' or at least 1"),
        ({"providers": ["gpu"]}, r"providers.0: 'gpu' is not one of .*cpu"),
        ({"providers": "cpu"}, "providers: 'cpu' is not 'auto' or a list"),
        ({"threshold": "a"}, "threshold: 'a' is not a number"),
        ({"model": 3}, "model: 3 is not a text"),
    ],
)
def test_a_wrong_argument_is_named_with_its_value_and_what_is_right(arguments, told) -> None:
    with pytest.raises(ConfigError, match=f"^BackgroundRemover: {told}"):
        BackgroundRemover(**arguments)


def test_the_model_may_be_a_path_and_a_threshold_any_number(make_model, image) -> None:
    remover = BackgroundRemover(Path(make_model()), threshold=np.float32(0.25))
    alpha = remover.alpha(image)
    assert (remover(image)[1] == np.where(alpha >= 64, 255, 0)).all()


def test_alpha_cutout_and_mask_are_all_refined(make_model, image) -> None:
    model = str(make_model())
    plain = BackgroundRemover(model).alpha(image)
    remover = BackgroundRemover(model, rgba=True, refine={"band": [0.4, 0.8], "invert": True})
    alpha = remover.alpha(image)
    cutout, mask = remover(image)
    assert (alpha[plain <= 102] == 255).all()
    assert not alpha[plain >= 204].any()
    assert (cutout[:, :, 3] == alpha).all()
    assert (mask == np.where(alpha >= 128, 255, 0)).all()


def test_refinement_may_be_a_configurations_and_has_the_threshold(make_model, image) -> None:
    model = str(make_model())
    refine = RefineConfig(threshold=0.9, gain=0.8)
    remover = BackgroundRemover(model, refine=refine)
    alpha = remover.alpha(image)
    assert (remover(image)[1] == np.where(alpha >= 230, 255, 0)).all()
    remover = BackgroundRemover(model, refine=refine, threshold=0.25)
    assert (remover.alpha(image) == alpha).all()
    assert (remover(image)[1] == np.where(alpha >= 64, 255, 0)).all()


def test_pictures_wait_for_no_neighbours_before_a_fragment_is_dropped(make_model, image) -> None:
    refine = {"band": [0.4, 0.8], "min_fragment": 0.9}
    model = str(make_model())
    at_once = BackgroundRemover(model, refine={**refine, "fragment_frames": 30})
    assert (at_once.alpha(image) == BackgroundRemover(model, refine=refine).alpha(image)).all()


def test_clean_colours_are_the_foregrounds_and_opaque_ones_the_pictures(
    make_model, image, monkeypatch
) -> None:
    monkeypatch.setitem(sys.modules, "pymatting", None)
    model = str(make_model())
    plain, _ = BackgroundRemover(model, rgba=True)(image)
    clean, _ = BackgroundRemover(model, rgba=True, colours="clean")(image)
    alpha = plain[:, :, 3]
    soft = (alpha > 60) & (alpha < 200)
    assert (clean[:, :, 3] == alpha).all()
    assert (clean[alpha == 255] == plain[alpha == 255]).all()
    assert not clean[alpha == 0].any()
    assert np.abs(clean[soft].astype(int) - plain[soft]).mean() > 3
    on_black, mask = BackgroundRemover(model, colours="clean")(image)
    weighted = clean[:, :, :3] * (alpha[:, :, None] / 255)
    assert np.abs(on_black - weighted)[mask == 255].max() <= 1
    assert not on_black[mask == 0].any()


def test_clean_colours_keep_the_channels_order(make_model, image, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pymatting", None)
    with BackgroundRemover(str(make_model()), colours="clean") as remover:
        cutout, _ = remover(image)
        swapped, _ = remover(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), order="rgb")
    assert (swapped[:, :, ::-1] == cutout).all()


def test_the_public_names_are_sorted_and_there() -> None:
    assert list(streamer.__all__) == sorted(streamer.__all__)
    for name in streamer.__all__:
        assert getattr(streamer, name) is not None
    with pytest.raises(AttributeError, match="no attribute"):
        streamer.Nothing  # noqa: B018


def test_many_threads_may_use_one_remover_and_each_gets_its_own_picture(make_model) -> None:
    random = np.random.default_rng(0)
    pictures = [random.integers(0, 256, (40 + n, 64, 3), np.uint8) for n in range(8)]
    with BackgroundRemover(make_model(), rgba=False) as remover:
        expected = [remover(picture) for picture in pictures]
        with ThreadPoolExecutor(8) as pool:
            results = list(pool.map(remover, pictures * 40))
            alphas = list(pool.map(remover.alpha, pictures * 40))
    wrong = sum(
        not ((cutout == expected[n % 8][0]).all() and (mask == expected[n % 8][1]).all())
        for n, (cutout, mask) in enumerate(results)
    )
    assert wrong == 0
    assert all((alpha == alphas[n % 8]).all() for n, alpha in enumerate(alphas))


def test_closing_waits_for_the_picture_in_hand_and_later_ones_are_refused(make_model) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    remover = BackgroundRemover(make_model())
    expected = remover.alpha(picture)
    begun = threading.Event()

    def work() -> int:
        done = 0
        while True:
            try:
                assert (remover.alpha(picture) == expected).all()
            except SegmentError as error:
                assert "closed" in str(error)  # noqa: PT017 - in a thread of its own
                return done
            done += 1
            begun.set()

    with ThreadPoolExecutor(4) as pool:
        futures = [pool.submit(work) for _ in range(4)]
        assert begun.wait(30)
        remover.close()
        assert sum(future.result(30) for future in futures) >= 1


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_remover_cannot_be_copied(make_model, duplicate) -> None:
    with (
        BackgroundRemover(make_model()) as remover,
        pytest.raises(TypeError, match="BackgroundRemover: cannot be copied or pickled: make an"),
    ):
        duplicate(remover)
