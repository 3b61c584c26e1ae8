"""Colours of soft edges, spill and light: against the truth, where it is known."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import ModuleType

import cv2
import numpy as np
import pytest

from streamer.compositing import stills
from streamer.compositing.clean import Despill, Foreground, LightWrap
from streamer.compositing.stills import foreground_of
from streamer.evaluation.clips import make_clip
from streamer.evaluation.scenery import Camera
from streamer.frame import Alpha, Image

RED, GREEN, WHITE, BLACK = (20, 30, 200), (60, 180, 10), (255, 255, 255), (0, 0, 0)


def flat(colour: tuple[int, int, int], height: int, width: int) -> Image:
    return np.full((height, width, 3), colour, np.uint8)


def soft_disc(height: int, width: int, soft_px: float = 6) -> Alpha:
    alpha = np.zeros((height, width), np.uint8)
    cv2.circle(alpha, (width // 2, height // 2), min(height, width) // 3, (255,), -1)
    return cv2.GaussianBlur(alpha, (0, 0), soft_px)


def blended(foreground: Image, background: Image, alpha: Alpha) -> Image:
    share = alpha[:, :, None] / 255
    return np.rint(foreground * share + background * (1 - share)).astype(np.uint8)


def estimated(image: Image, alpha: Alpha) -> Image:
    out = np.empty_like(image)
    Foreground().estimate(image, alpha, out)
    return out


@pytest.fixture(scope="module", params=["still", "panning", "rotating"])
def truth(request) -> tuple[str, Image, Alpha, Image]:
    """A clip's name, frame and alpha, and the true colours of its foreground."""
    clip = make_clip(request.param, frames=21)
    scenes = [(n, replace(scene, backdrop=scene.backdrop * 0)) for n, scene in clip.scenes]
    lit = replace(clip, scenes=scenes, camera=Camera(noise=0)).frame(20)
    alpha = clip.alpha(20)
    colours = np.minimum(lit * (255 / np.maximum(alpha, 1))[:, :, None], 255)
    return clip.name, clip.frame(20), alpha, colours


def colour_error(colours: Image, alpha: Alpha, true: Image) -> float:
    """Mean difference in levels where alpha is between a twentieth and all but that."""
    soft = (alpha >= 13) & (alpha <= 242)
    return float(np.abs(colours.astype(float) - true)[soft].mean())


def test_soft_edges_have_far_less_of_the_room_than_the_picture(truth) -> None:
    name, image, alpha, true = truth
    # Seen: still 33.9 and 15.9 levels, panning 40.1 and 4.6, rotating 36.3 and 13.9.
    share = {"still": 0.55, "panning": 0.2, "rotating": 0.45}[name]
    assert colour_error(estimated(image, alpha), alpha, true) < share * colour_error(
        image, alpha, true
    )


@pytest.mark.parametrize("size", [(360, 640), (297, 501)])
def test_a_red_disc_before_a_green_wall_is_red_to_its_rim(size: tuple[int, int]) -> None:
    alpha = soft_disc(*size, soft_px=2)
    image = blended(flat(RED, *size), flat(GREEN, *size), alpha)
    found = estimated(image, alpha)
    assert np.abs(found[alpha >= 8].astype(int) - RED).max() <= 4
    assert np.abs(image[alpha >= 8].astype(int) - RED).max() > 100


def test_opaque_pixels_are_the_pictures_own_and_nothing_else_is_touched(photographs) -> None:
    image = photographs["coffee"]
    alpha = soft_disc(*image.shape[:2])
    kept, kept_alpha = image.copy(), alpha.copy()
    found = estimated(image, alpha)
    assert (found[alpha == 255] == image[alpha == 255]).all()
    assert (image == kept).all()
    assert (alpha == kept_alpha).all()


@pytest.mark.parametrize("level", [0, 255])
def test_without_a_soft_edge_it_is_the_picture(photographs, level: int) -> None:
    image = photographs["coffee"]
    assert (estimated(image, np.full(image.shape[:2], level, np.uint8)) == image).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (17, 15)])
def test_pictures_of_any_size_are_taken(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    image = random.integers(0, 256, (*size, 3), dtype=np.uint8)
    alpha = random.integers(0, 256, size, dtype=np.uint8)
    assert estimated(image, alpha).shape == image.shape
    LightWrap().add(image, image.copy(), alpha, 0.5, 12)
    Despill().remove(image, "blue", 1.0, image)


def test_frames_of_one_size_take_no_more_memory_and_a_new_size_is_no_matter() -> None:
    foreground, despill, wrap = Foreground(), Despill(), LightWrap()
    for size in ((360, 640), (200, 300), (720, 1280)):
        alpha = soft_disc(*size)
        image, backdrop = flat(RED, *size), flat(GREEN, *size)
        out = np.empty_like(image)
        for time in range(3):
            if time == 2:
                tracemalloc.start()
            foreground.estimate(image, alpha, out)
            despill.remove(image, "green", 0.5, out)
            wrap.add(out, backdrop, alpha, 0.3, 12)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert np.abs(out[alpha == 255].astype(int) - RED).max() <= 40
    assert peak < 720 * 1280 / 2


def pixels(*colours: tuple[int, int, int]) -> Image:
    return np.array([colours], np.uint8)


def despilled(image: Image, colour: str, strength: float = 1.0) -> list[list[int]]:
    out = np.empty_like(image)
    Despill().remove(image, colour, strength, out)
    return out[0].tolist()


def test_despill_limits_the_walls_colour_to_the_others_and_keeps_all_else() -> None:
    kept = ((128, 128, 128), (30, 200, 220), (220, 200, 30), (10, 20, 200), (200, 100, 90))
    assert despilled(pixels(*kept), "green") == [list(colour) for colour in kept]
    spilt = pixels((100, 180, 120), (0, 255, 0))
    assert despilled(spilt, "green") == [[100, 120, 120], [0, 0, 0]]
    assert despilled(spilt, "green", 0.5) == [[100, 150, 120], [0, 127, 0]]
    assert despilled(pixels((180, 100, 120)), "blue") == [[120, 100, 120]]


def test_despill_works_in_place() -> None:
    image = pixels((100, 180, 120))
    Despill().remove(image, "green", 1.0, image)
    assert image[0].tolist() == [[100, 120, 120]]


def wrapped(backdrop: Image, alpha: Alpha, strength: float = 0.5, radius_px: int = 12) -> Image:
    """A grey subject over *backdrop*, with its light."""
    grey = np.full_like(backdrop, 100)
    composite = blended(grey, backdrop, alpha)
    LightWrap().add(composite, backdrop, alpha, strength, radius_px)
    return composite


def half_plane(soft_px: float = 0) -> Alpha:
    alpha = np.zeros((120, 240), np.uint8)
    alpha[:, 120:] = 255
    return cv2.GaussianBlur(alpha, (0, 0), soft_px) if soft_px else alpha


@pytest.mark.parametrize("radius_px", [2, 6, 12, 40])
def test_light_falls_on_the_edge_and_no_further_than_the_radius(radius_px: int) -> None:
    row = wrapped(flat(WHITE, 120, 240), half_plane(), radius_px=radius_px)[60, :, 0].astype(int)
    assert (row[:120] == 255).all()
    # At the edge itself half of what is around is lit: 100 + 0.5 * 0.5 * (255 - 100).
    assert row[120] == pytest.approx(135, abs=10)
    assert (np.diff(row[120:]) <= 0).all()
    reach = radius_px + 4
    assert (row[120 + reach :] == 100).all()
    assert row[120 + radius_px // 3] > 103


def test_light_has_the_backdrops_colour_and_strength() -> None:
    alpha = half_plane(3)
    weak, strong = (wrapped(flat(GREEN, 120, 240), alpha, strength) for strength in (0.2, 1.0))
    plain = blended(flat((100, 100, 100), 120, 240), flat(GREEN, 120, 240), alpha)
    gain = [(picture[60, 122].astype(int) - plain[60, 122]).tolist() for picture in (weak, strong)]
    assert gain[1][1] > gain[1][0] >= gain[1][2]
    assert gain[1][1] == pytest.approx(5 * gain[0][1], abs=5)


def test_light_never_darkens_and_a_black_backdrop_gives_none(photographs) -> None:
    backdrop = photographs["coffee"][:120, :240]
    alpha = half_plane(3)
    before = blended(np.full_like(backdrop, 100), backdrop, alpha)
    assert (wrapped(backdrop, alpha, 1.0) >= before).all()
    black = flat(BLACK, 120, 240)
    assert (wrapped(black, alpha) == blended(np.full_like(black, 100), black, alpha)).all()


def test_single_pictures_are_done_as_frames_where_pymatting_is_missing(monkeypatch, caplog) -> None:
    monkeypatch.setitem(sys.modules, "pymatting", None)
    alpha = soft_disc(120, 160)
    image = blended(flat(RED, 120, 160), flat(GREEN, 120, 160), alpha)
    assert (foreground_of(image, alpha) == estimated(image, alpha)).all()
    assert not caplog.records


def pymatting(monkeypatch: pytest.MonkeyPatch, estimate: Callable[..., np.ndarray]) -> None:
    """Put *estimate* in the place of pymatting's, whatever became of that before."""
    module = ModuleType("pymatting")
    module.estimate_foreground_ml = estimate
    monkeypatch.setitem(sys.modules, "pymatting", module)
    monkeypatch.setattr(stills, "_unusable", threading.Event())


def test_single_pictures_are_pymattings_where_it_is_there(monkeypatch) -> None:
    asked = []

    def estimate(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        asked.append((image.max(), alpha.max(), image.dtype))
        return np.full_like(image, 0.5)

    pymatting(monkeypatch, estimate)
    alpha = soft_disc(60, 80)
    image = flat(WHITE, 60, 80)
    found = foreground_of(image, alpha)
    assert asked == [(1.0, 1.0, np.float32)]
    assert (found[alpha == 255] == 255).all()
    assert (found[alpha < 255] == 128).all()


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (
            RuntimeError("cannot cache function '_make_tree': no locator available for file 'x'"),
            "no locator available.*set NUMBA_CACHE_DIR to a folder that can be written",
        ),
        (PermissionError(13, "Permission denied", "/nb/cache"), "/nb/cache.*NUMBA_CACHE_DIR"),
        (
            ImportError("Numba needs NumPy 2.3 or less. Got NumPy 2.4."),
            "Got NumPy 2.4.*pip install",
        ),
        (ModuleNotFoundError("No module named 'numba'", name="numba"), "numba.*pip install"),
        (SystemError(""), r"SystemError: no reason given\)"),
    ],
)
@pytest.mark.parametrize("when", ["import", "use"])
def test_where_pymatting_does_not_work_pictures_are_done_as_frames_with_one_note(
    when, error, told, monkeypatch, caplog
) -> None:
    tries = []

    def fail(*_: object) -> np.ndarray:
        tries.append(1)
        raise error

    class Failing(ModuleType):
        def __getattr__(self, name: str) -> object:
            if name != "estimate_foreground_ml":
                raise AttributeError(name)
            return fail()

    pymatting(monkeypatch, fail)
    if when == "import":
        monkeypatch.setitem(sys.modules, "pymatting", Failing("pymatting"))
    alpha = soft_disc(120, 160)
    image = blended(flat(RED, 120, 160), flat(GREEN, 120, 160), alpha)
    for _ in range(3):
        assert (foreground_of(image, alpha) == estimated(image, alpha)).all()
    assert len(tries) == 1
    (record,) = caplog.records
    assert re.search(told, record.getMessage())
    assert "\n" not in record.getMessage()


def test_several_threads_take_turns_with_pymatting(monkeypatch) -> None:
    busy = threading.Lock()

    def estimate(image: np.ndarray, alpha: np.ndarray) -> np.ndarray:
        assert busy.acquire(blocking=False), "numba would end the process"
        total = np.full_like(image, 0.5) * np.linalg.norm(image) ** 0
        busy.release()
        return total

    pymatting(monkeypatch, estimate)
    alpha, image = soft_disc(60, 80), flat(WHITE, 60, 80)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: foreground_of(image, alpha), range(40)))
    assert all((colours[alpha < 255] == 128).all() for colours in found)


def test_pymatting_is_at_least_as_good_as_what_frames_get(truth) -> None:
    pytest.importorskip("pymatting", reason="pymatting is not installed: the extra `pictures`")
    _, image, alpha, true = truth
    single = colour_error(foreground_of(image, alpha), alpha, true)
    assert single < 1.02 * colour_error(estimated(image, alpha), alpha, true)


def test_a_single_pixel_is_a_picture_too() -> None:
    image, alpha = np.full((1, 1, 3), 90, np.uint8), np.full((1, 1), 128, np.uint8)
    assert np.abs(foreground_of(image, alpha).astype(int) - 90).max() <= 1


UNCACHED = """
import logging, numpy as np
logging.basicConfig(format="%(message)s")
from streamer.compositing.stills import foreground_of
image, alpha = np.full((40, 60, 3), 90, np.uint8), np.full((40, 60), 128, np.uint8)
for _ in range(2):
    print(foreground_of(image, alpha).shape)
"""


def test_numba_that_may_not_cache_costs_a_note_and_no_picture() -> None:
    pytest.importorskip("pymatting", reason="pymatting is not installed: the extra `pictures`")
    from numba.core import config

    if not hasattr(config, "CACHE_LOCATOR_CLASSES"):
        pytest.skip("this numba cannot be told where not to cache")
    # The one class that is left finds a place in notebooks only.
    environment = os.environ | {"NUMBA_CACHE_LOCATOR_CLASSES": "IPythonCacheLocator"}
    done = subprocess.run(
        [sys.executable, "-c", UNCACHED], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "(40, 60, 3)\n" * 2
    assert done.returncode == 0
    assert len(done.stderr.splitlines()) == 1
    assert "set NUMBA_CACHE_DIR to a folder that can be written" in done.stderr
