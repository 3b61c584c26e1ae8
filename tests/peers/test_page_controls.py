"""
Every control of a stream's page, operated as its users do, in what a recording shows.

The recording is lossless and holds five panels of each frame, so its pixels can be counted on. A
control that no test operates fails the last test of this module.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import av
import cv2
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from playwright.sync_api import Browser, Locator, expect
from playwright.sync_api import Page as Window

from streamer.config import load_config
from streamer.host import Host
from streamer.sources.cameras import Camera
from tests.conftest import MakeModel
from tests.peers.browsing import Viewer, chromium, viewing
from tests.unit.control.metrics.hosting import running
from tests.unit.control.web.hosting import Page, make_box, shown
from tests.waiting import wait_for

WIDTH, HEIGHT, FPS = 192, 112, 25
PANELS = ("source", "alpha", "mask", "cutout", "composite")
IN_FLIGHT = 6
"""Frames, more than can be on their way with earlier settings."""
SUBJECT, GREENISH, BLUISH = np.s_[48:80, 24:72], np.s_[48:80, 88:120], np.s_[48:80, 136:168]
ROOM = np.s_[92:, :]
"""Dark rows without a subject."""
UPRIGHT = {"viewport": {"width": 412, "height": 915}, "has_touch": True, "is_mobile": True}
"""A telephone."""

NAMES = """
  const nameOf = (element) => {
    const { tagName, type, value, labels } = element;
    if (type === "radio") return `radio ${value}`;
    const kind = tagName === "INPUT" ? type : tagName.toLowerCase();
    const label = (labels?.[0] ?? element).cloneNode(true);
    for (const part of label.querySelectorAll("select, .unit")) part.remove();
    const words = element.getAttribute("aria-label") ?? label.textContent.trim();
    return `${kind} ${words || value || element.id}`;
  };
  const CONTROLS = "input, select, textarea, button, canvas:not([role])";
"""
WATCHED = f"""{NAMES}
  window.touched = new Set();
  for (const kind of ["pointerdown", "click", "keydown", "input", "change"]) {{
    window.addEventListener(kind, ({{ target }}) => {{
      const control = target.closest?.(CONTROLS);
      if (control) window.touched.add(nameOf(control));
    }}, true);
  }}
"""
"""Notes the name of each control that is operated."""


def scene() -> np.ndarray:
    """A ramp over a dark and grainy room with a white, a greenish and a bluish square, BGR."""
    random = np.random.default_rng(5)
    grain = random.integers(0, 24, (HEIGHT, WIDTH, 1), np.uint8)
    picture = np.repeat(grain + np.linspace(0, 40, WIDTH).astype(np.uint8)[:, None], 3, axis=2)
    picture[:40] = np.linspace(0.25, 0.75, WIDTH)[None, :, None] * 255
    picture[SUBJECT] = 250
    picture[GREENISH] = 204, 255, 230
    picture[BLUISH] = 255, 217, 217
    return picture


@dataclass(frozen=True)
class Shot:
    """One frame of a recording; each panel is BGR."""

    source: np.ndarray
    alpha: np.ndarray
    mask: np.ndarray
    cutout: np.ndarray
    composite: np.ndarray

    @property
    def share(self) -> np.ndarray:
        """The alpha in 0..1, (H, W, 1)."""
        return self.alpha[..., :1] / 255.0

    def is_over(self, background: np.ndarray | tuple[int, int, int]) -> bool:
        """Whether the composite is the frame over *background*, BGR."""
        expected = self.source * self.share + np.asarray(background) * (1 - self.share)
        return bool(np.abs(self.composite - expected).max() <= 2)


def decoded(data: bytes) -> np.ndarray:
    """A picture as it is stored."""
    picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert picture is not None
    return picture


def read(path: Path) -> np.ndarray:
    """A picture as it is stored."""
    return decoded(path.read_bytes())


def shots_of(path: Path) -> list[Shot]:
    """All frames of a finished recording."""
    with av.open(str(path)) as film:
        pictures = [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]
    return [Shot(*np.split(picture, len(PANELS))) for picture in pictures]


@dataclass
class Take:
    """A page and the recording of its stream; `shots` once it is finished."""

    viewer: Viewer
    site: Page
    path: Path
    marks: list[int] = field(default_factory=list)
    touched: set[str] = field(default_factory=set)

    @property
    def page(self) -> Window:
        return self.viewer.page

    @property
    def shots(self) -> list[Shot]:
        """All that was recorded."""
        return shots_of(self.path)

    @property
    def marked(self) -> list[Shot]:
        """A frame from before the first change, and one of each mark."""
        shots = self.shots
        return [shots[number] for number in self.marks]

    @property
    def recorded(self) -> int:
        """Frames in the recording."""
        frames: int = self.site.statistics("record")["frames"]
        return frames

    def mark(self, after: int = IN_FLIGHT) -> None:
        """Wait for a frame that was begun after now, and remember it."""
        enough = self.recorded + after
        wait_for(lambda: self.recorded >= enough)
        self.marks.append(self.recorded - 1)

    def setting(self, key: str) -> Any:
        """The stream's value at a dotted *key*; None where there is none."""
        value: Any = self.site.show()["settings"]
        for name in key.split("."):
            value = (value or {}).get(name)
        return value

    def has(self, key: str, value: object) -> None:
        """Wait for a setting."""
        wait_for(lambda: self.setting(key) == value)

    def until(self, key: str, value: object) -> None:
        """Wait for a setting, and for a frame with it."""
        self.has(key, value)
        self.mark()

    def answered(self) -> None:
        """Wait until the model has answered a tracked matting, and for a frame with that."""
        run = self.site.host.stream("door")
        assert run is not None
        wait_for(lambda: run.status().matting["key_frames"] > 0)
        self.mark()

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def select(self, label: str) -> Locator:
        return self.page.get_by_role("combobox", name=label, exact=True)

    def background(self, name: str) -> None:
        """Choose one by its words."""
        self.page.get_by_role("radiogroup").get_by_text(name, exact=True).click()

    def on_picture(self, across: float, down: float) -> tuple[float, float]:
        """The place in the window of a point of the picture, both in shares of its size."""
        box = self.page.locator("#drawing").bounding_box()
        assert box is not None
        height, width = self.viewer.picture().shape[:2]
        scale = min(box["width"] / width, box["height"] / height)
        return (
            box["x"] + box["width"] / 2 + (across - 0.5) * width * scale,
            box["y"] + box["height"] / 2 + (down - 0.5) * height * scale,
        )


CAMERA = {"type": "usb", "device": 0}


class FakeCamera:
    """`cv2.VideoCapture` of cameras whose pictures tell which they are."""

    number = 0
    """Of the newest picture."""
    openings = 0
    size: ClassVar[tuple[int, int] | None] = None
    """Width and height, whatever was asked for."""

    def __init__(self, device: int, backend: int) -> None:
        self.device = device
        self.asked: dict[int, float] = {}
        FakeCamera.openings += 1
        self.opening = FakeCamera.openings

    def isOpened(self) -> bool:  # noqa: N802 - OpenCV's
        return True

    def set(self, prop: int, value: float) -> bool:
        self.asked[prop] = value
        return True

    def get(self, prop: int) -> float:
        return FPS if prop == cv2.CAP_PROP_FPS else self.asked.get(prop, 0)

    def grab(self) -> bool:
        time.sleep(1 / FPS)
        FakeCamera.number += 1
        return True

    def retrieve(self, image: np.ndarray | None = None) -> tuple[bool, np.ndarray]:
        width, height = self.size or (
            int(self.asked.get(cv2.CAP_PROP_FRAME_WIDTH, WIDTH)),
            int(self.asked.get(cv2.CAP_PROP_FRAME_HEIGHT, HEIGHT)),
        )
        picture = cv2.resize(scene(), (width, height), interpolation=cv2.INTER_NEAREST)
        high, low = divmod(FakeCamera.number, 256)
        for place, told in enumerate((low, self.opening, self.device, high)):
            picture[-8:, 8 * place : 8 * place + 8] = told
        return True, picture.astype(np.uint8)

    def release(self) -> None:
        pass


@pytest.fixture
def cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two cameras, 0 and 1."""
    plugged = [Camera(index, f"/dev/video{index}", f"Eye {index}", ()) for index in (0, 1)]
    monkeypatch.setattr(FakeCamera, "number", 0)
    monkeypatch.setattr(FakeCamera, "openings", 0)
    monkeypatch.setattr(FakeCamera, "size", None)
    monkeypatch.setattr(cv2, "VideoCapture", FakeCamera)
    monkeypatch.setattr("streamer.stream.stream.list_cameras", lambda: plugged)


def told(shot: Shot) -> tuple[int, int, int]:
    """The number of a camera's picture, the number of its opening, and the camera's."""
    low, opening, device, high = (int(shot.source[-4, 4 + 8 * place, 0]) for place in range(4))
    return 256 * high + low, opening, device


def number_of(shot: Shot) -> int:
    return told(shot)[0]


Shoot = Callable[..., AbstractContextManager[Take]]
Test = TypeVar("Test", bound=Callable[..., None])
OPERATED: set[str] = set()
"""The names of all controls that a test below operates."""


def operates(*names: str) -> Callable[[Test], Test]:
    """Says which controls a test operates; it fails unless it does."""
    OPERATED.update(names)

    def named(test: Test) -> Test:
        test.__dict__["operated"] = names
        return test

    return named


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def still(tmp_path: Path) -> dict[str, Any]:
    """A source of one picture, again and again."""
    path = tmp_path / "scene.png"
    assert cv2.imwrite(str(path), scene())
    return {"type": "images", "path": str(path), "loop": True, "realtime": True, "fps": FPS}


@pytest.fixture
def shoot(
    browser: Browser,
    make_model: MakeModel,
    still: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Shoot:
    """
    Makes a take: within its block the stream runs and is recorded, and its page is open.

    The model's alpha is 0 in the room, 255 in the squares, and rises with the ramp.
    """
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "film.mkv"

    @contextmanager
    def take(
        *,
        model: Mapping[str, Any] | None = None,
        window: Mapping[str, Any] | None = None,
        record: Mapping[str, Any] | None = None,
        sinks: list[dict[str, Any]] | None = None,
        others: Mapping[str, dict[str, Any]] | None = None,
        **sections: Any,
    ) -> Iterator[Take]:
        film = {"type": "record", "path": str(path), "layout": "stack", "panels": list(PANELS)}
        page = {"type": "page", "layout": "composite"}
        every = [page, {**film, **(record or {})}, *(sinks or [])]
        follows_light = str(make_model(size=WIDTH, gain=8.0))
        queues = {"ring_capacity": 2, "sink_queue": 2}
        stream = {"source": still, "sinks": every, "pipeline": queues, **sections}
        stream["model"] = dict(model or {})
        host = Host(make_box(follows_light, {"door": stream, **(others or {})}))
        with (
            running(host),
            shown(host) as site,
            viewing(browser, site.url, "/#door", WATCHED, **(window or {})) as viewer,
        ):
            made = Take(viewer, site, path)
            if site.show()["recording"]:
                made.mark()
            yield made
            made.touched = set(viewer.page.evaluate("[...window.touched]"))
        missed = set(getattr(request.function, "operated", ())) - made.touched
        assert not missed, f"not operated: {missed}"

    return take


# Backgrounds.


@operates("radio black", "radio white", "radio green")
def test_a_colour_becomes_the_background(shoot: Shoot) -> None:
    with shoot(compose={"background": "#800080"}) as take:
        for name in ("black", "white", "green"):
            take.background(name.title())
            take.until("compose.background", {"type": "colour", "colour": name})
    colours = (128, 0, 128), (0, 0, 0), (255, 255, 255), (64, 177, 0)
    for shot, colour in zip(take.marked, colours, strict=True):
        assert [shot.is_over(other) for other in colours] == [other == colour for other in colours]


@operates("radio colour", "color Colour of the background")
def test_a_colour_of_ones_own_becomes_the_background(shoot: Shoot) -> None:
    with shoot() as take:
        take.background("Colour")
        take.until("compose.background", {"type": "colour", "colour": "#2f5d8a"})
        take.page.get_by_label("Colour of the background").fill("#ff8000")
        take.until("compose.background", {"type": "colour", "colour": "#ff8000"})
    black, usual, own = take.marked
    assert black.is_over((0, 0, 0))
    assert usual.is_over((0x8A, 0x5D, 0x2F))
    assert own.is_over((0, 0x80, 0xFF))


def detail(shot: Shot) -> float:
    """How much of the room's grain the composite shows: 1 is all."""
    now, then = (
        np.abs(np.diff(panel[ROOM].astype(int), axis=1)).mean()
        for panel in (shot.composite, shot.source)
    )
    return float(now / then)


def block_px(shot: Shot) -> float:
    """The side of the blocks in the composite's room."""
    row = shot.composite[-1].astype(int)
    edges = np.flatnonzero(np.abs(np.diff(row, axis=0)).max(axis=1))
    return float(np.median(np.diff(edges)))


def light(shot: Shot) -> float:
    """How bright the composite's room is: 1 is as it was."""
    return float(shot.composite[ROOM].mean() / shot.source[ROOM].mean())


@operates("radio blur", "radio pixelate", "radio dim")
def test_the_room_is_blurred_or_made_of_blocks_or_darkened(shoot: Shoot) -> None:
    with shoot() as take:
        for kind in ("Blur", "Pixelate", "Dim"):
            take.background(kind)
            take.until("compose.background.type", kind.lower())
    black, blurred, blocks, dim = take.marked
    assert light(black) == 0
    assert detail(blurred) < 0.3
    assert light(blurred) == pytest.approx(1, abs=0.15)
    assert block_px(blocks) == 32
    assert light(dim) == pytest.approx(0.3, abs=0.03)
    assert detail(dim) == pytest.approx(0.3, abs=0.03)


@operates("file Use a picture…")
def test_a_picture_that_is_uploaded_becomes_the_background(shoot: Shoot, tmp_path: Path) -> None:
    halves = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    halves[:, : WIDTH // 2], halves[:, WIDTH // 2 :] = (0, 0, 255), (255, 0, 0)
    assert cv2.imwrite(str(tmp_path / "halves.png"), halves)
    with shoot() as take:
        with take.page.expect_file_chooser() as chooser:
            take.page.get_by_text("Use a picture…").click()
        chooser.value.set_files(tmp_path / "halves.png")
        expect(take.page.get_by_role("radio", name="Picture")).to_be_checked()
        take.mark()
    before, after = take.marked
    assert before.is_over((0, 0, 0))
    assert after.is_over(halves)


# Sliders.


@dataclass(frozen=True)
class Slider:
    """A slider, and what of a frame tells its value."""

    label: str
    key: str
    """Of the value that it sets."""
    start: dict[str, Any]
    """Sections of the configuration."""
    press: str
    """A key, on the slider."""
    pressed: float
    """The value after it."""
    typed: float
    """A value, as a number."""
    measure: Callable[[Shot], float]
    """Rises with the value."""
    within: float | None = None
    """How near the measure is to the value itself; None: it is no such figure."""

    @property
    def names(self) -> set[str]:
        return {f"range {self.label}", f"number {self.label}, as a number"}


def threshold(shot: Shot) -> float:
    """Between the least alpha within the mask and the largest beyond it; both are next to it."""
    inside = shot.mask[..., 0] == 255
    assert np.isin(shot.mask, (0, 255)).all()
    least, largest = shot.share[inside].min(), shot.share[~inside].max()
    assert largest < least
    return float((least + largest) / 2)


def softness(shot: Shot) -> float:
    """How many pixels of a square are neither clear nor opaque."""
    soft = (shot.alpha[SUBJECT] > 0) & (shot.alpha[SUBJECT] < 255)
    return float(soft.mean())


def removed(shot: Shot) -> float:
    """The share of a square's green that was removed as far as it exceeds red and blue."""
    now, then = (panel[GREENISH].astype(float) for panel in (shot.cutout, shot.source))
    excess = [(it[..., 1] - it[..., [0, 2]].max(axis=-1))[4:-4, 4:-4] for it in (now, then)]
    return float(1 - excess[0].mean() / excess[1].mean())


def backdrop(**background: Any) -> dict[str, Any]:
    return {"compose": {"background": background}}


SLIDERS = [
    Slider(
        "Blur",
        "compose.background.strength",
        backdrop(type="blur", strength=0.2),
        "End",
        1,
        0.05,
        lambda shot: -detail(shot),
    ),
    Slider(
        "Blocks",
        "compose.background.block_px",
        backdrop(type="pixelate", block_px=16),
        "Home",
        2,
        48,
        block_px,
        0,
    ),
    Slider(
        "Light left",
        "compose.background.keep",
        backdrop(type="dim", keep=0.5),
        "End",
        1,
        0.25,
        light,
        0.03,
    ),
    Slider("Threshold", "refine.threshold", {}, "End", 1, 0.25, threshold, 0.05),
    Slider("Soft edge", "refine.feather_px", {}, "PageUp", 6.5, 2.5, softness),
    Slider(
        "Despill strength",
        "compose.despill.strength",
        {"compose": {"despill": {"colour": "green", "strength": 0.5}}},
        "End",
        1,
        0.2,
        removed,
        0.05,
    ),
]
OPERATED.update(*(slider.names for slider in SLIDERS))


@pytest.mark.parametrize("slider", SLIDERS, ids=lambda slider: slider.label)
def test_a_slider_obeys_keys_and_numbers(shoot: Shoot, slider: Slider) -> None:
    with shoot(**slider.start) as take:
        begin = float(take.setting(slider.key))
        take.page.get_by_role("slider", name=slider.label).press(slider.press)
        take.until(slider.key, slider.pressed)
        number = take.page.get_by_label(f"{slider.label}, as a number")
        number.fill(str(slider.typed))
        number.press("Enter")
        take.until(slider.key, slider.typed)
    assert slider.names <= take.touched
    values = [begin, slider.pressed, slider.typed]
    measures = [slider.measure(shot) for shot in take.marked]
    assert np.array_equal(np.argsort(measures), np.argsort(values)), measures
    if slider.within is not None:
        assert measures == pytest.approx(values, abs=slider.within)


@operates("range Threshold")
def test_a_slider_that_is_dragged_ends_where_it_is_let_go(shoot: Shoot) -> None:
    with shoot(refine={"threshold": 0.1}) as take:
        slider = take.page.get_by_role("slider", name="Threshold")
        slider.scroll_into_view_if_needed()
        box = slider.bounding_box()
        assert box is not None
        middle = box["y"] + box["height"] / 2
        take.page.mouse.move(box["x"] + box["width"] * 0.1, middle)
        take.page.mouse.down()
        take.page.mouse.move(box["x"] + box["width"] * 0.8, middle, steps=20)
        take.page.mouse.up()
        take.until("refine.threshold", float(slider.input_value()))
        let_go = float(slider.input_value())
    assert let_go == pytest.approx(0.8, abs=0.05)
    seen = [threshold(shot) for shot in take.shots]
    assert seen == sorted(seen)
    assert seen[0] == pytest.approx(0.1, abs=0.05)
    assert seen[-1] == pytest.approx(let_go, abs=0.05)


# Choices.


@operates("select Softens")
def test_an_edge_is_softened_outward_instead_of_inward(shoot: Shoot) -> None:
    with shoot(refine={"feather_px": 6}) as take:
        take.select("Softens").select_option("outward")
        take.until("refine.feather", "outward")
        take.select("Softens").select_option("inward")
        take.until("refine.feather", "inward")
    for shot, outward in zip(take.marked, (False, True, False), strict=True):
        within, around = shot.alpha[62:66, 24:30], shot.alpha[62:66, 16:22]
        assert (within == 255).all() == outward
        assert (around > 0).any() == outward


@operates("select Despill")
def test_green_or_blue_light_is_taken_off_the_subject(shoot: Shoot) -> None:
    with shoot() as take:
        for colour in ("green", "blue"):
            take.select("Despill").select_option(colour)
            take.until("compose.despill.colour", colour)
        take.select("Despill").select_option("off")
        take.until("compose.despill", None)
    for shot, colour in zip(take.marked, ("off", "green", "blue", "off"), strict=True):
        green, blue = shot.cutout[GREENISH], shot.cutout[BLUISH]
        assert (green[8:-8, 8:-8, 1] <= green[8:-8, 8:-8, [0, 2]].max()).all() == (
            colour == "green"
        )
        assert (blue[8:-8, 8:-8, 0] <= blue[8:-8, 8:-8, [1, 2]].max()).all() == (colour == "blue")


@operates("select Model")
def test_another_model_makes_other_mattes(
    shoot: Shoot, make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = str(make_model("half.onnx", size=32, gain=0.0))
    monkeypatch.setattr("streamer.stream.stream.models_on_disk", lambda **_: (other,))
    with shoot() as take:
        take.select("Model").select_option(other)
        take.until("model.name", other)
    before, after = take.marked
    assert before.alpha.min() == 0
    assert before.alpha.max() == 255
    assert np.isin(after.alpha, (127, 128)).all()


def write_clip(path: Path, pictures: list[np.ndarray]) -> dict[str, Any]:
    """A lossless clip, and the source that repeats it."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("ffv1", rate=FPS)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = "bgr0"
        for picture in pictures:
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        film.mux(stream.encode())
    return {"type": "file", "path": str(path), "loop": True, "realtime": True}


def flicker(shots: list[Shot]) -> float:
    """How much the ramp's alpha differs from one frame to the next."""
    gaps = [cv2.absdiff(a.alpha[:40], b.alpha[:40]).mean() for a, b in pairwise(shots)]
    return float(np.median(gaps))


@operates("select Matting")
def test_a_tracked_matte_does_not_flicker_as_those_of_every_frame(
    shoot: Shoot, tmp_path: Path
) -> None:
    random = np.random.default_rng(1)
    noisy = [
        cv2.add(scene(), random.integers(0, 7, (HEIGHT, WIDTH, 3), np.uint8)) for _ in range(12)
    ]
    with shoot(source=write_clip(tmp_path / "clip.mkv", noisy)) as take:
        take.select("Matting").select_option("tracked")
        take.until("matting.mode", "tracked")
        take.answered()
        take.select("Matting").select_option("every_frame")
        take.until("matting.mode", "every_frame")
    shots, (first, _, tracked, last) = take.shots, take.marks
    assert shots[tracked].alpha.any()
    for end, flickers in ((first, True), (tracked, False), (last, True)):
        assert (flicker(shots[end - 6 : end + 1]) > 1) == flickers


def make_sized_model(path: Path) -> str:
    """A model whose alpha is 0 in the dark, and else 0.8 for a tiny input to 1 for one of 1024."""
    planes = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, "side", "side"])
    alpha = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 1, "side", "side"])
    numbers = {
        "weights": np.full((1, 3, 1, 1), 30, np.float32),
        "least": np.float32(0.8),
        "fifths": np.float32(5120),
    }
    nodes = [
        helper.make_node("Conv", ["input", "weights"], ["raw"]),
        helper.make_node("Sigmoid", ["raw"], ["bright"]),
        helper.make_node("Shape", ["input"], ["side"], start=2, end=3),
        helper.make_node("Cast", ["side"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["pixels", "fifths"], ["share"]),
        helper.make_node("Add", ["share", "least"], ["level"]),
        helper.make_node("Mul", ["bright", "level"], ["output"]),
    ]
    constants = [
        onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in numbers.items()
    ]
    graph = helper.make_graph(nodes, "matting", [planes], [alpha], constants)
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), str(path))
    return str(path)


@operates("select Effort")
def test_less_effort_shows_the_model_a_smaller_picture(shoot: Shoot, tmp_path: Path) -> None:
    sized = make_sized_model(tmp_path / "sized.onnx")
    clip = write_clip(tmp_path / "clip.mkv", [scene()] * 12)
    once = {"mode": "tracked", "effort": "best", "refresh_s": 60, "whole_s": 60}
    model = {"name": sized, "input_size": 1024}
    with shoot(model=model, source=clip, matting=once) as take:
        take.answered()
        take.select("Effort").select_option("fast")
        take.until("matting.effort", "fast")
        take.answered()
    levels = [int(shot.alpha.max()) for shot in take.shots]
    change = take.marks[1] + 1
    assert 255 in levels[:change], "of an input of 1024"
    assert set(levels[:change]) <= {0, 255}
    assert levels[change:].count(230), "of one of 512"


# Regions.

REGION = (0.25, 0.25, 0.5, 0.5)
"""Left, top, width and height, in shares of the frame."""


def within(
    region: tuple[float, float, float, float],
    grown_px: int = 0,
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> np.ndarray:
    """The pixels in a region of a frame of that height and width."""
    left, top, width, height = region
    rows = round(top * size[0]) - grown_px, round((top + height) * size[0]) + grown_px
    columns = round(left * size[1]) - grown_px, round((left + width) * size[1]) + grown_px
    inside = np.zeros(size, bool)
    inside[slice(*rows), slice(*columns)] = True
    return inside


def assert_limited(region: tuple[float, float, float, float], before: Shot, after: Shot) -> None:
    """Background beyond *region*, within two pixels; the matte within it as it was."""
    size = before.alpha.shape[0], before.alpha.shape[1]
    beyond, well_within = ~within(region, 2, size), within(region, -2, size)
    assert before.alpha[beyond].any()
    assert not after.alpha[beyond].any()
    assert before.alpha[well_within].any()
    assert cv2.absdiff(before.alpha, after.alpha)[well_within].mean() < 4


def drag_region(take: Take) -> None:
    """Draw the region by mouse, from its lower right."""
    take.button("Draw a region").click()
    drag(take)
    wait_for(lambda: take.setting("preprocess.roi"))
    take.mark()


def drag(take: Take) -> None:
    """Drag over the region while regions are drawn."""
    left, top, width, height = REGION
    take.page.mouse.move(*take.on_picture(left + width, top + height))
    take.page.mouse.down()
    take.page.mouse.move(*take.on_picture(left, top), steps=5)
    take.page.mouse.up()


@operates("button Draw a region", "canvas drawing")
def test_a_region_is_drawn_by_mouse(shoot: Shoot) -> None:
    with shoot() as take:
        drag_region(take)
    assert_limited(REGION, *take.marked)


@operates("button Draw a region", "canvas drawing")
def test_a_region_is_drawn_by_touch(shoot: Shoot) -> None:
    with shoot(window=UPRIGHT) as take:
        button = take.button("Draw a region")
        button.tap()
        expect(button).to_have_attribute("aria-pressed", "true")
        take.page.locator("#drawing").scroll_into_view_if_needed()
        scrolled = take.page.evaluate("[scrollY, document.getElementById('main').scrollTop]")
        finger = take.page.context.new_cdp_session(take.page)

        def touch(kind: str, *points: tuple[float, float]) -> None:
            places = [dict(zip("xy", take.on_picture(*point), strict=True)) for point in points]
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": places})

        left, top, width, height = REGION
        touch("touchStart", (left, top))
        for step in np.linspace(0.2, 1, 5):
            touch("touchMove", (left + step * width, top + step * height))
        touch("touchEnd")
        wait_for(lambda: take.setting("preprocess.roi"))
        take.mark()
        now = take.page.evaluate("[scrollY, document.getElementById('main').scrollTop]")
        assert now == scrolled, "the finger drew, and scrolled as well"
    assert_limited(REGION, *take.marked)


@operates(
    *(f"number {side}, in pixels" for side in ("Left", "Top", "Width", "Height")),
    *("button Add this region", "button Remove region 1", "button Whole frame"),
)
def test_regions_are_added_by_numbers_and_removed(shoot: Shoot) -> None:
    first, second = (0.125, 0.5, 0.25, 0.25), (0.625, 0.25, 0.25, 0.5)
    with shoot() as take:
        for region in (first, second):
            for side, share, whole in zip(
                ("Left", "Top", "Width", "Height"), region, (WIDTH, HEIGHT) * 2, strict=True
            ):
                number = take.page.get_by_label(f"{side}, in pixels")
                number.fill(str(round(share * whole)))
            take.button("Add this region").click()
            expect(take.page.get_by_label("Left, in pixels")).to_have_value("")
            take.mark()
        take.button("Remove region 1").click()
        wait_for(lambda: len(take.setting("preprocess.roi")) == 1)
        take.mark()
        take.button("Whole frame").click()
        take.until("preprocess.roi", None)
    before, one, two, other, all_of_it = take.marked
    assert_limited(first, before, one)
    assert two.alpha[within(first)].any()
    assert two.alpha[within(second)].any()
    assert not two.alpha[~within(first, 2) & ~within(second, 2)].any()
    assert_limited(second, before, other)
    assert np.array_equal(all_of_it.alpha, before.alpha)


# The stream.


@operates("button Stop", "button Start")
def test_a_stream_that_is_stopped_and_started_keeps_what_was_changed(
    shoot: Shoot, tmp_path: Path
) -> None:
    several = {"path": str(tmp_path / "film-{start:%Y%m%d-%H%M%S-%f}.mkv")}
    with shoot(record=several) as take:
        take.background("White")
        take.until("compose.background.colour", "white")
        take.button("Stop").click()
        take.button("Start").click()
        take.button("Stop").wait_for()
        take.mark()
    first, second = (shots_of(path) for path in sorted(tmp_path.glob("film-*.mkv")))
    assert first[0].is_over((0, 0, 0))
    assert first[-1].is_over((255, 255, 255))
    assert len(second) >= IN_FLIGHT
    assert all(shot.is_over((255, 255, 255)) for shot in second)


@operates("button Pause", "button Resume")
def test_a_pause_holds_the_picture_until_it_goes_on(shoot: Shoot, cameras: None) -> None:
    with shoot(source=CAMERA) as take:
        take.button("Pause").click()
        take.button("Resume").wait_for()
        take.mark(after=5)
        held_until = FakeCamera.number
        take.button("Resume").click()
        take.button("Pause").wait_for()
        take.mark()
    numbers = [number_of(shot) for shot in take.shots]
    _, held, fresh = take.marks
    assert len(set(numbers[: take.marks[0]])) == take.marks[0], "each is another one"
    assert len(set(numbers[held - 2 : held + 1])) == 1
    assert numbers[held] < held_until - 4
    assert numbers[fresh] > held_until


@operates("button Record", "button Stop recording")
def test_a_recording_holds_what_is_shown_while_it_is_on(shoot: Shoot, tmp_path: Path) -> None:
    with shoot(record={"from_start": False}, compose={"background": "white"}) as take:
        for colour in ("Green", "White"):
            take.button("Record").click()
            take.button("Stop recording").wait_for()
            take.mark()
            take.button("Stop recording").click()
            take.button("Record").wait_for()
            take.background(colour)
            take.has("compose.background.colour", colour.lower())
    first, second = (shots_of(tmp_path / name) for name in ("film.mkv", "film-2.mkv"))
    assert all(shot.is_over((255, 255, 255)) for shot in first)
    assert all(shot.is_over((64, 177, 0)) for shot in second)
    assert len(first) >= IN_FLIGHT
    assert len(second) >= IN_FLIGHT


@operates("button Snapshot")
def test_a_snapshot_is_the_cutout_with_its_alpha(shoot: Shoot) -> None:
    with shoot() as take:
        with take.page.expect_download() as download:
            take.button("Snapshot").click()
        saved = read(download.value.path())
        take.mark()
    shot = take.marked[-1]
    assert np.array_equal(saved[..., 3], shot.alpha[..., 0])
    seen = saved[..., 3] > 0
    assert np.array_equal(saved[seen][:, :3], shot.source[seen])


@operates("button Trigger")
def test_a_trigger_takes_one_picture(shoot: Shoot, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    sink = {"type": "images", "path": str(folder), "layout": "cutout", "when": "trigger"}
    with shoot(sinks=[sink]) as take:
        assert not list(folder.glob("*"))
        take.button("Trigger").click()
        wait_for(lambda: list(folder.glob("*.png")))
        take.mark()
    (picture,) = folder.glob("*.png")
    assert np.array_equal(read(picture), take.marked[-1].cutout)


@operates("button Save as YAML")
def test_the_configuration_that_is_saved_has_what_was_changed(shoot: Shoot, tmp_path: Path) -> None:
    with shoot() as take:
        take.background("White")
        take.until("compose.background.colour", "white")
        with take.page.expect_download() as download:
            take.button("Save as YAML").click()
        download.value.save_as(tmp_path / "door.yaml")
    config = load_config(tmp_path / "door.yaml")
    assert config.compose.background.type == "colour"
    assert take.marked[-1].is_over((255, 255, 255))


# The camera.


@operates("button Release camera", "button Acquire camera")
def test_a_camera_that_is_released_shows_nothing_until_it_is_acquired(
    shoot: Shoot, cameras: None
) -> None:
    with shoot(source=CAMERA) as take:
        take.button("Release camera").click()
        take.button("Acquire camera").wait_for()
        take.mark()
        take.button("Acquire camera").click()
        take.button("Release camera").wait_for()
        wait_for(lambda: take.site.show()["source_state"] == "live")
        take.mark()
    before, released, after = take.marked
    assert [shot.alpha.any() for shot in (before, released, after)] == [True, False, True]
    assert cv2.absdiff(released.source, scene()).mean() > 30, "its last picture is not kept"
    assert (told(before)[1], told(after)[1]) == (1, 2)


@operates("button Reopen", "select Camera")
def test_a_camera_is_reopened_and_another_chosen(shoot: Shoot, cameras: None) -> None:
    with shoot(source=CAMERA) as take:
        take.button("Reopen").click()
        wait_for(lambda: FakeCamera.openings == 2)
        take.mark()
        take.select("Camera").select_option("Camera 1")
        wait_for(lambda: FakeCamera.openings == 3)
        take.mark()
    assert [told(shot)[1:] for shot in take.marked] == [(1, 0), (2, 0), (3, 1)]


@operates("select Size")
def test_another_size_is_asked_of_the_camera(shoot: Shoot, cameras: None, tmp_path: Path) -> None:
    with shoot(source=CAMERA, record={"resize": "new_file"}) as take:
        for size, facts in (("640x480", "640×480"), ("any", f"{WIDTH}×{HEIGHT}")):  # noqa: RUF001
            take.select("Size").select_option(size)
            expect(take.page.locator("#one-facts")).to_contain_text(facts)
            take.mark()
            if size == "640x480":
                take.viewer.wait_for(lambda now: now.shape == (480, 640, 3))
                drag_region(take)
    films = [shots_of(tmp_path / name) for name in ("film.mkv", "film-2.mkv", "film-3.mkv")]
    sizes = [film[-1].source.shape[:2] for film in films]
    assert sizes == [(HEIGHT, WIDTH), (480, 640), (HEIGHT, WIDTH)]
    small, large, again = ([shot for shot in film if shot.alpha.any()] for film in films)
    limited = [shot for shot in large if not shot.alpha[0].any()]
    assert_limited(REGION, large[0], limited[-1])
    assert_limited(REGION, small[0], again[-1])  # the region fits the other size as well


@operates("button Draw a region", "canvas drawing")
def test_a_region_is_drawn_on_pictures_that_changed_their_size(shoot: Shoot, cameras: None) -> None:
    with shoot(source=CAMERA, record={"resize": "new_file"}) as take:
        drag_region(take)
        FakeCamera.size = 640, 480  # as one that is turned, or sends what it likes
        take.viewer.wait_for(lambda now: now.shape == (480, 640, 3))
        expect(take.page.locator("#one-facts")).to_contain_text("640×480")  # noqa: RUF001
        drag(take)
        wait_for(lambda: len(take.setting("preprocess.roi")) == 2)
        regions = np.array(take.setting("preprocess.roi"))
    assert np.abs(regions - REGION).max() < 0.02


# What this viewer alone sees.


def panels_of(take: Take) -> dict[str, np.ndarray]:
    """What each layout shows of the still scene over white, by the stream's own snapshot."""
    data = take.site.client.get("/api/streams/door/snapshot.png").content
    cut = decoded(data)
    source, alpha = scene().astype(float), cut[..., 3:] / 255
    mask = np.repeat(alpha >= 0.5, 3, axis=2)
    cutout, white = np.where(mask, source * alpha, 0), np.where(mask, 255, 0)
    tinted = np.where(mask, (source + np.array((64, 177, 0))) / 2, source)
    return {
        "source": source,
        "alpha": np.repeat(255 * alpha, 3, axis=2),
        "mask": white,
        "cutout": cutout,
        "composite": source * alpha + 255 * (1 - alpha),
        "overlay": tinted,
        "side_by_side": np.hstack([cutout, white]),
        "stack": np.vstack([cutout, white]),
        "grid": np.hstack([cutout, white]),
    }


def shows(expected: np.ndarray, within: float = 8) -> Callable[[np.ndarray], bool]:
    """Whether a picture is as expected, as far as a lossy codec keeps it."""

    def near(picture: np.ndarray) -> bool:
        same_size = picture.shape == expected.shape
        return same_size and float(np.abs(picture - expected).mean()) < within

    return near


@operates("select Layout", "select Picture by")
def test_a_viewer_chooses_layouts_and_the_recording_stays(shoot: Shoot) -> None:
    with shoot(compose={"background": "white"}) as take:
        panels = panels_of(take)
        take.viewer.wait_for(shows(panels["composite"]))
        take.page.get_by_label("Picture by").select_option("jpeg")
        for layout, expected in panels.items():
            take.page.get_by_label("Layout").select_option(layout)
            take.viewer.wait_for(shows(expected))
            assert take.page.locator("#picture img").is_visible()
        take.page.get_by_label("Picture by").select_option("video")
        take.viewer.wait_for(shows(panels["grid"]))
        assert take.page.locator("#picture video").is_visible()
        take.mark()
    first = take.shots[0]
    for shot in take.shots:
        assert np.array_equal(shot.composite, first.composite)
        assert np.array_equal(shot.mask, first.mask)


@operates("button Large")
def test_the_picture_is_made_large_and_small_again(shoot: Shoot) -> None:
    with shoot() as take:
        picture, button = take.page.locator("#picture"), take.button("Large")
        widths = [picture.evaluate("element => element.clientWidth")]
        for pressed in ("true", "false"):
            button.click()
            expect(button).to_have_attribute("aria-pressed", pressed)
            widths.append(picture.evaluate("element => element.clientWidth"))
    assert widths[0] < widths[1]
    assert widths[2] == widths[0]


@operates("checkbox of all streams")
def test_the_log_tells_of_other_streams_when_asked(shoot: Shoot, tmp_path: Path) -> None:
    absent = {"source": {"type": "file", "path": str(tmp_path / "absent.mp4")}}
    with shoot(others={"back": absent}) as take:
        lines = take.page.locator("#log li").filter(has_text="absent.mp4")
        take.page.get_by_label("of all streams").check()
        expect(lines.first).to_be_visible()
        take.page.get_by_label("of all streams").uncheck()
        expect(lines).to_have_count(0)


NOT_OPERATED = {"radio other": "says what the background is; it is shown only while it is chosen"}


def test_no_control_goes_untested(shoot: Shoot, cameras: None, tmp_path: Path) -> None:
    sink = {"type": "images", "path": str(tmp_path / "pictures"), "when": "trigger"}
    region = {"preprocess": {"roi": [0.25, 0.25, 0.5, 0.5]}}
    with shoot(source=CAMERA, sinks=[sink], **region) as take:
        take.button("Remove region 1").wait_for()
        names = set(
            take.page.evaluate(
                f"() => {{ {NAMES} "
                "return [...document.querySelectorAll('#one :is(' + CONTROLS + ')')].map(nameOf)"
                "}"
            )
        )
    assert len(names) > 40
    assert names - OPERATED - set(NOT_OPERATED) == set()
