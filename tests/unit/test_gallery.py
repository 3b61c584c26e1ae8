"""The gallery shows all that there is."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import get_args

import cv2
import pytest

from streamer.config import Layout, Panel, RefineConfig

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def gallery() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_gallery", DOCS / "make_gallery.py")
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def entries(gallery: ModuleType) -> list:
    return [entry for section in gallery.SECTIONS.values() for entry in section]


def test_every_layout_and_panel_is_shown(gallery) -> None:
    shown = {entry.sink["layout"] for entry in entries(gallery)}
    assert shown == set(get_args(Layout)) >= set(get_args(Panel))


def test_every_background_is_shown(gallery) -> None:
    from streamer.config import ComposeConfig

    shown = {ComposeConfig(**dict(entry.compose)).background.type for entry in entries(gallery)}
    assert shown == {
        "colour", "transparent", "image", "video", "blur", "pixelate", "dim",
    }  # fmt: skip


def test_every_refinement_is_shown(gallery) -> None:
    shown = {key for entry in entries(gallery) for key in entry.refine}
    assert shown == set(RefineConfig.model_fields)


def test_the_page_is_the_one_that_is_made_and_its_pictures_are_there(gallery) -> None:
    assert (DOCS / "gallery.md").read_text(encoding="utf-8") == gallery.page(), (
        "run: python docs/make_gallery.py"
    )
    for entry in entries(gallery):
        assert cv2.imread(str(DOCS / "gallery" / f"{entry.name}.jpg")) is not None


def test_each_picture_can_be_drawn(gallery, photographs) -> None:
    image = cv2.resize(photographs["coffee"], (gallery.SIDE, gallery.SIDE))
    alpha = cv2.cvtColor(image, cv2.COLOR_BGR2GRAY)
    drawn = {entry.name: gallery.draw(entry, image, alpha) for entry in entries(gallery)}
    assert all(picture.ndim == 3 and picture.std() > 1 for picture in drawn.values())
