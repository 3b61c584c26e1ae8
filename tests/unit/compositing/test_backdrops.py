"""Every background, against what it should look like."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.compositing import Composer, colour
from streamer.errors import ConfigError, SourceNotFound
from streamer.sources.looped import LoopedVideo
from tests.unit.compositing.scene import (
    arranged,
    blended,
    composer,
    furthest,
    noise,
    settings_with,
    subject,
)

WIDTH, HEIGHT = 320, 180
IMAGE, ALPHA = noise(WIDTH, HEIGHT), subject(WIDTH, HEIGHT)
EMPTY = np.zeros_like(ALPHA)
FULL = np.full_like(ALPHA, 255)


class FakeVideo:
    """Pictures that are filled with their time in tenths of a second."""

    def __init__(self, width: int = 64, height: int = 36) -> None:
        self.asked_s: list[float] = []
        self.closed = 0
        self._picture = np.zeros((height, width, 3), np.uint8)

    def __call__(self, pts_s: float) -> np.ndarray:
        self.asked_s.append(pts_s)
        self._picture[:] = round(pts_s * 10)
        return self._picture

    def close(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("name", ["black", "white", "green", "#102030"])
def test_a_colour_is_behind_the_subject(name) -> None:
    composite = composer("composite", background=name).compose(IMAGE, ALPHA)
    assert furthest(composite, blended(IMAGE, ALPHA, colour(name))) <= 1
    assert (composite[ALPHA == 0] == colour(name)).all(), "nothing of the room is left"


def test_transparent_is_black_where_nothing_holds_an_alpha() -> None:
    composite = composer("composite", background="transparent").compose(IMAGE, ALPHA)
    assert furthest(composite, blended(IMAGE, ALPHA, 0)) <= 1
    assert not composite[ALPHA == 0].any()


def striped(width: int, height: int, path: Path) -> None:
    """Ten columns of grey, 10, 30, … 190, so that what was cut off can be told."""
    levels = np.repeat(np.arange(10, 200, 20, dtype=np.uint8), width // 10)
    picture = np.broadcast_to(levels[None, :, None], (height, width, 3))
    assert cv2.imwrite(str(path), picture)


def test_an_image_covers_the_frame_with_its_shape_kept(tmp_path) -> None:
    # Twice as wide as the frame is, so a quarter of it goes at each side: 2.5 stripes.
    striped(320, 90, tmp_path / "wide.png")
    background = {"type": "image", "path": str(tmp_path / "wide.png")}
    out = composer("composite", background=background).compose(IMAGE, EMPTY)
    middles = out[HEIGHT // 2, [8, 60, 125, 190, 255, 312], 0]
    assert middles.tolist() == [50, 70, 90, 110, 130, 150]
    assert (np.ptp(out[:, :, 0].astype(int), axis=0) == 0).all(), "stripes stand upright"


def test_a_tall_image_is_cut_above_and_below(tmp_path) -> None:
    picture = np.zeros((640, 320, 3), np.uint8)
    picture[:230], picture[230:410], picture[410:] = 50, 100, 200
    assert cv2.imwrite(str(tmp_path / "tall.png"), picture)
    background = {"type": "image", "path": str(tmp_path / "tall.png")}
    out = composer("composite", background=background).compose(IMAGE, EMPTY)
    assert (out == 100).all(), "its middle, pixel for pixel"


def test_an_image_is_blended_at_the_edge_and_new_for_a_new_size(tmp_path) -> None:
    picture = noise(WIDTH, HEIGHT, 5)
    assert cv2.imwrite(str(tmp_path / "beach.png"), picture)
    drawn = composer("composite", background={"type": "image", "path": str(tmp_path / "beach.png")})
    assert furthest(drawn.compose(IMAGE, ALPHA), blended(IMAGE, ALPHA, picture)) <= 1
    small = drawn.compose(IMAGE[:90, :160], EMPTY[:90, :160])
    expected = cv2.resize(picture, (160, 90), interpolation=cv2.INTER_AREA)
    assert furthest(small, expected) <= 1


def test_what_is_transparent_in_an_image_is_black_whatever_colours_it_hides(tmp_path) -> None:
    picture = np.full((HEIGHT, WIDTH, 4), 200, np.uint8)
    picture[:, :, 3] = 0
    picture[: HEIGHT // 2, :, 3] = 255
    assert cv2.imwrite(str(tmp_path / "logo.png"), picture)
    background = {"type": "image", "path": str(tmp_path / "logo.png")}
    out = composer("composite", background=background).compose(IMAGE, EMPTY)
    assert (out[: HEIGHT // 2] == 200).all()
    assert (out[HEIGHT // 2 :] == 0).all()


@pytest.mark.parametrize("kind", ["image", "video"])
@pytest.mark.parametrize("content", [None, b"", b"this is no picture and no video"])
def test_a_file_that_cannot_be_used_is_named_before_the_run(tmp_path, kind, content) -> None:
    path = tmp_path / "beach.xyz"
    if content is not None:
        path.write_bytes(content)
    settings = settings_with(background={"type": kind, "path": str(path)})
    with pytest.raises(ConfigError, match=r"compose\.background\.path: .*beach\.xyz"):
        Composer("composite", settings, open_video=LoopedVideo)
    Composer("cutout", settings, open_video=LoopedVideo).compose(IMAGE, ALPHA)


def test_a_video_is_asked_for_the_streams_time_and_covers_the_frame() -> None:
    video = FakeVideo()
    settings = settings_with(background={"type": "video", "path": "waves.mp4"})
    drawn = Composer("composite", settings, open_video=lambda path: video)
    for pts_s in (0.0, 0.4, 7.5):
        out = drawn.compose(IMAGE, ALPHA, pts_s=pts_s)
        assert furthest(out, blended(IMAGE, ALPHA, round(pts_s * 10))) <= 1
    assert video.asked_s == [0.0, 0.4, 7.5]
    assert not video.closed
    drawn.close()
    assert video.closed == 1


def test_a_video_without_anything_to_open_it_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"compose\.background"):
        composer("composite", background={"type": "video", "path": "waves.mp4"})


def test_a_video_that_is_gone_is_a_mistake_of_the_configuration() -> None:
    def missing(path: str) -> FakeVideo:
        raise SourceNotFound(f"{path}: no such file")

    settings = settings_with(background={"type": "video", "path": "waves.mp4"})
    with pytest.raises(ConfigError, match=r"compose\.background\.path: waves\.mp4: no such file"):
        Composer("composite", settings, open_video=missing)


def test_dim_keeps_a_share_of_the_rooms_light() -> None:
    out = composer("composite", background={"type": "dim", "keep": 0.3}).compose(IMAGE, ALPHA)
    assert furthest(out, blended(IMAGE, ALPHA, IMAGE * 0.3)) <= 1.5
    gone = composer("composite", background={"type": "dim", "keep": 0}).compose(IMAGE, EMPTY)
    assert not gone.any()
    kept = composer("composite", background={"type": "dim", "keep": 1}).compose(IMAGE, EMPTY)
    assert (kept == IMAGE).all()


def test_pixelate_is_the_mean_of_each_block(photographs) -> None:
    room = cv2.resize(photographs["coffee"], (WIDTH, 192), interpolation=cv2.INTER_AREA)
    background = {"type": "pixelate", "block_px": 32}
    out = composer("composite", background=background).compose(room, np.zeros((192, 320), np.uint8))
    blocks = out.reshape(6, 32, 10, 32, 3)
    assert (blocks == blocks[:, :1, :, :1]).all(), "each block is of one colour"
    means = room.reshape(6, 32, 10, 32, 3).astype(float).mean(axis=(1, 3))
    # Only every fourth row and column and their neighbours are looked at.
    assert furthest(blocks[:, 0, :, 0], means) <= 6
    assert np.abs(blocks[:, 0, :, 0] - means).mean() <= 1.5


def test_blur_is_a_gaussian_of_the_room(photographs) -> None:
    room = cv2.resize(photographs["coffee"], (960, 540), interpolation=cv2.INTER_AREA)
    background = {"type": "blur", "strength": 0.5}
    out = composer("composite", background=background).compose(room, np.zeros((540, 960), np.uint8))
    expected = cv2.GaussianBlur(room, (0, 0), 0.5 * 0.08 * 540)
    inner = np.s_[60:-60, 60:-60]  # beyond the frame both guess
    assert furthest(out[inner], expected[inner]) <= 10
    assert np.abs(out.astype(float) - expected).mean() <= 2.5


def test_blur_leaves_no_text_to_be_read() -> None:
    room = np.full((720, 1280, 3), 255, np.uint8)
    for row in range(60, 720, 60):
        text = "account 12345678 " * 4
        cv2.putText(room, text, (10, row), cv2.FONT_HERSHEY_SIMPLEX, 1.0, (0, 0, 0), 3)
    out = composer("composite", background="blur").compose(room, np.zeros((720, 1280), np.uint8))
    contrast = cv2.Laplacian(out, cv2.CV_32F)
    assert np.abs(contrast).max() < 4, "letters give more than a hundred"


@pytest.mark.parametrize("background", ["blur", {"type": "pixelate", "block_px": 48}])
def test_a_red_subject_leaves_no_halo_in_a_grey_room(background) -> None:
    alpha = subject(960, 540)
    room = np.full((540, 960, 3), 160, np.uint8)
    room[:, 500:] = 90
    image = np.rint(blended(np.broadcast_to((0, 0, 255), room.shape), alpha, room))
    image = image.astype(np.uint8)
    composite = composer("composite", background=background).compose(image, alpha)
    around = cv2.dilate(alpha, np.ones((121, 121), np.uint8)) > 0
    beside = around & (alpha == 0)
    redness = composite.astype(int)[:, :, 2] - composite[:, :, 0]
    assert redness[beside].max() <= 4
    plain = cv2.GaussianBlur(image, (0, 0), 21.6).astype(int)
    assert (plain[:, :, 2] - plain[:, :, 0])[beside].max() > 80, "what it would be otherwise"


@pytest.mark.parametrize("background", ["blur", "pixelate"])
def test_a_room_of_which_nothing_is_seen_gives_nothing_away(background) -> None:
    drawn = composer("composite", background=background)
    assert (drawn.compose(IMAGE, FULL) == IMAGE).all()
    faint = np.full_like(ALPHA, 254)
    assert furthest(drawn.compose(IMAGE, faint), IMAGE) <= 2


@pytest.mark.parametrize("background", ["blur", "pixelate", "dim"])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (2, 50), (16, 16), (33, 7), (1, 500)])
def test_the_room_may_be_of_any_size(background, width, height) -> None:
    image, alpha = noise(width, height), subject(width, height, edge_px=0)
    out = composer("composite", background=background).compose(image, alpha)
    assert out.shape == image.shape
    assert (out[alpha == 255] == image[alpha == 255]).all()


def test_each_panel_of_a_tiled_picture_has_its_background(tmp_path) -> None:
    layout = arranged("side_by_side", ["composite", "cutout"], tile=[160, 160])
    out = Composer(layout, settings_with(background="green")).compose(IMAGE, EMPTY)
    assert (out[35:125, :160] == colour("green")).all()
    assert not out[:35].any()
    assert not out[125:].any(), "bars are black, not the background"
    assert not out[:, 160:].any()
