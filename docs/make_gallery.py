"""
Makes docs/gallery.md and its pictures: every panel, layout, background and refinement.

`python docs/make_gallery.py`; wants the extra `optimize` (for its photograph) and fetches `isnet`.
The page is made from the lists here, so that a test can tell what it lacks without the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import yaml

from streamer import BackgroundRemover
from streamer.compositing import Composer
from streamer.config import ComposeConfig, LayoutConfig, RefineConfig, Settings
from streamer.frame import Alpha, Image
from streamer.refining import Refiner

FOLDER = Path(__file__).parent
PICTURES = FOLDER / "gallery"
PAGE = FOLDER / "gallery.md"
SIDE = 288
"""Pixels of the photograph in the gallery."""
BEACH = PICTURES / "background.jpg"


@dataclass(frozen=True)
class Entry:
    """One picture of the gallery, and the configuration that gives it."""

    name: str
    sink: Mapping[str, Any] = field(default_factory=lambda: {"layout": "composite"})
    compose: Mapping[str, Any] = field(default_factory=dict)
    refine: Mapping[str, Any] = field(default_factory=dict)
    spoilt: bool = False
    """The alpha has specks, holes and a faint part, as a weak model's."""
    zoom: bool = False
    """Only an edge is shown, enlarged."""

    @property
    def caption(self) -> str:
        """The configuration, in YAML's short form."""
        parts = {"sink": self.sink, "compose": self.compose, "refine": self.refine}
        said = {
            name: dict(part)
            for name, part in parts.items()
            if part and (name != "sink" or part != {"layout": "composite"})
        }
        lines = (
            yaml.safe_dump({name: part}, default_flow_style=None, width=1000).strip()
            for name, part in said.items()
        )
        return "<br>".join(f"`{line.replace(chr(10), ' ')}`" for line in lines) or "`{}`"


def alone(layout: str) -> dict[str, Any]:
    """A sink that shows one panel."""
    return {"layout": layout}


ALPHA = alone("alpha")
FOUR = ["source", "cutout", "mask", "composite"]
GREEN = {"background": "green"}

SECTIONS: dict[str, list[Entry]] = {
    "Panels": [
        Entry("panel-source", alone("source")),
        Entry("panel-cutout", alone("cutout")),
        Entry("panel-mask", alone("mask")),
        Entry("panel-alpha", ALPHA),
        Entry("panel-composite", alone("composite"), {"background": "white"}),
        Entry("panel-overlay", alone("overlay"), {"overlay": {"colour": "green", "opacity": 0.5}}),
    ],
    "Layouts": [
        Entry("layout-side-by-side", {"layout": "side_by_side"}),
        Entry("layout-stack", {"layout": "stack"}),
        Entry("layout-grid", {"layout": "grid", "panels": FOUR, "labels": True}),
        Entry(
            "layout-tiles",
            {"layout": "grid", "panels": FOUR[:3], "columns": 3, "tile": [192, 108]},
        ),
    ],
    "Backgrounds": [
        Entry("background-colour", compose={"background": "#2060a0"}),
        Entry("background-green", compose=GREEN),
        Entry("background-transparent", compose={"background": "transparent"}),
        Entry("background-image", compose={"background": {"type": "image", "path": BEACH.name}}),
        Entry("background-video", compose={"background": {"type": "video", "path": "waves.mp4"}}),
        Entry("background-blur", compose={"background": "blur"}),
        Entry("background-pixelate", compose={"background": {"type": "pixelate", "block_px": 16}}),
        Entry("background-dim", compose={"background": {"type": "dim", "keep": 0.3}}),
    ],
    "Colours of soft edges": [
        Entry("colours-plain", compose=GREEN, zoom=True),
        Entry("colours-clean", compose={**GREEN, "colours": "clean"}, zoom=True),
        Entry("despill", compose={"despill": {"colour": "blue"}, "background": "white"}),
        Entry(
            "light-wrap",
            compose={"background": "white", "light_wrap": {"strength": 0.6, "radius_px": 12}},
        ),
    ],
    "Refinement": [
        Entry("refine-none", ALPHA, spoilt=True),
        Entry("refine-threshold", alone("mask"), refine={"threshold": 0.9}, spoilt=True),
        Entry("refine-gain", ALPHA, refine={"gain": 2.0}, spoilt=True),
        Entry("refine-band", ALPHA, refine={"band": [0.4, 0.9]}, spoilt=True),
        Entry(
            "refine-min-fragment",
            ALPHA,
            refine={"min_fragment": 0.01, "fragment_frames": 0},
            spoilt=True,
        ),
        Entry("refine-keep-largest", ALPHA, refine={"keep_largest": 1}, spoilt=True),
        Entry("refine-fill-holes", ALPHA, refine={"fill_holes": 0.01}, spoilt=True),
        Entry("refine-grow", ALPHA, refine={"grow_px": 6}, spoilt=True),
        Entry("refine-shrink", ALPHA, refine={"grow_px": -6}, spoilt=True),
        Entry("refine-feather-inward", ALPHA, refine={"feather_px": 10}, spoilt=True),
        Entry(
            "refine-feather-outward",
            ALPHA,
            refine={"feather_px": 10, "feather": "outward"},
            spoilt=True,
        ),
        Entry("refine-invert", ALPHA, refine={"invert": True}, spoilt=True),
    ],
}


def page() -> str:
    """The text of docs/gallery.md."""
    lines = [
        "# Gallery",
        "",
        "Made by `python docs/make_gallery.py` with `isnet`. Photograph: NASA, portrait of Eileen",
        "Collins, public domain, as shipped with scikit-image. Below each picture is what differs",
        "from the defaults; `sink` stands for the sink's own keys. What they mean is in",
        "[configuration.md](configuration.md).",
    ]
    for title, entries in SECTIONS.items():
        lines += ["", f"## {title}"]
        if title == "Refinement":
            lines += ["", "Specks, holes and a faint part were drawn into the alpha first."]
        lines += ["", "| picture | configuration |", "|---|---|"]
        lines += [f"| ![{e.name}](gallery/{e.name}.jpg) | {e.caption} |" for e in entries]
    return "\n".join(lines) + "\n"


def draw(entry: Entry, image: Image, alpha: Alpha) -> Image:
    """The picture of one entry."""
    compose = dict(entry.compose)
    if isinstance(compose.get("background"), dict) and compose["background"].get("path"):
        compose["background"] = {**compose["background"], "path": str(BEACH)}
    settings = Settings(RefineConfig(**entry.refine), ComposeConfig(**compose))
    alpha = spoil(alpha) if entry.spoilt else alpha.copy()
    Refiner().refine(alpha, settings.refine)
    transparent = compose.get("background") == "transparent"
    composer = Composer(
        LayoutConfig.model_validate(entry.sink),
        settings,
        pixels="bgra" if transparent else "bgr",
        open_video=Waves,
    )
    picture = composer.compose(image, alpha).copy()
    composer.close()
    if transparent:
        picture = on_checkers(picture)
    if entry.zoom:
        edge = cv2.resize(picture[20:116, 84:180], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        return np.asarray(edge, np.uint8)
    return picture


def spoil(alpha: Alpha) -> Alpha:
    """*alpha* with specks beside the subject, holes in it, and a faint part."""
    spoilt = alpha.copy()
    for x, y, radius in ((24, 40, 5), (250, 30, 8), (262, 90, 4)):
        cv2.circle(spoilt, (x, y), radius, 255, -1, cv2.LINE_AA)
    for x, y, radius in ((180, 250, 6), (205, 262, 4)):
        cv2.circle(spoilt, (x, y), radius, 0, -1, cv2.LINE_AA)
    faint = np.s_[230:, 40:110]
    spoilt[faint] = (spoilt[faint] * 0.6).astype(np.uint8)
    return spoilt


class Waves:
    """A video to stand before."""

    def __init__(self, path: str) -> None:
        pass

    def __call__(self, pts_s: float) -> Image:
        """The same at any time."""
        return waves(2.0)

    def close(self) -> None:
        """There is nothing to close."""


def waves(phase: float = 0.0) -> Image:
    """A picture to stand before."""
    rows, columns = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    sea = rows > 0.6
    swell = np.sin(40 * rows**2 + 6 * columns + phase)
    light = np.where(sea, 90 + 60 * swell, 235 - 90 * (0.6 - rows))
    tint = np.where(sea[..., None], (1.0, 0.8, 0.35), (1.0, 0.85, 0.7))
    return np.asarray(np.clip(light[..., None] * tint, 0, 255), np.uint8)


def on_checkers(picture: Image) -> Image:
    """A transparent picture as editors show one."""
    height, width = picture.shape[:2]
    checkers = (np.indices((height, width)) // 12).sum(axis=0) % 2 * 50 + 180
    share = picture[..., 3:] / 255
    return np.asarray(picture[..., :3] * share + checkers[..., None] * (1 - share), np.uint8)


def photograph() -> Image:
    """The portrait, (SIDE, SIDE, 3) BGR."""
    from skimage.data import astronaut

    crop: Image = astronaut()[:400, 20:420, ::-1]  # type: ignore[no-untyped-call]
    return np.asarray(cv2.resize(crop, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)


def main() -> None:
    """Write the page and its pictures."""
    PICTURES.mkdir(exist_ok=True)
    cv2.imwrite(str(BEACH), waves(), [cv2.IMWRITE_JPEG_QUALITY, 80])
    image = np.ascontiguousarray(photograph())
    with BackgroundRemover("isnet") as remover:
        alpha = remover.alpha(image)
    for entries in SECTIONS.values():
        for entry in entries:
            picture = draw(entry, image, alpha)
            cv2.imwrite(
                str(PICTURES / f"{entry.name}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 82]
            )
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
