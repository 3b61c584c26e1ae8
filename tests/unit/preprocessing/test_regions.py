"""Where regions are in a frame, in pixels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamer.config import PreprocessConfig
from streamer.core.boxes import Box
from streamer.errors import ConfigError
from streamer.preprocessing import box_around, places_in, within_crop


@pytest.mark.parametrize(
    ("region", "place"),
    [
        ((0.25, 0.5, 0.5, 0.25), Box(160, 240, 480, 360)),
        ((0, 0, 1, 1), Box(0, 0, 640, 480)),
        ((100, 50, 200, 80), Box(100, 50, 300, 130)),
        ((0.5, 0, 300, 100), Box(0, 0, 300, 100)),
        ((600, 400, 500, 500), Box(600, 400, 640, 480)),
        ((0.5, 0.5, 1e-6, 1e-6), Box(320, 240, 321, 241)),
        ((0.9999, 0.9999, 1e-6, 1e-6), Box(639, 479, 640, 480)),
    ],
    ids=[
        "fractions",
        "all",
        "pixels",
        "a number over 1",
        "partly outside",
        "thinner than a pixel",
        "within the last pixel",
    ],
)
def test_a_region_is_in_fractions_or_pixels_and_cut_to_the_frame(region, place):
    assert places_in([region], 640, 480) == [place]


@pytest.mark.parametrize("region", [(640, 0, 50, 50), (10, 480, 20, 20), (1.0, 0.2, 5, 5000)])
def test_a_region_without_a_pixel_of_the_frame_is_an_error_that_names_both(region):
    width, height = (640, 480) if region[0] != 1.0 else (1, 480)
    with pytest.raises(ConfigError) as told:
        places_in([(0, 0, 1, 1), region], width, height)
    assert f"{region[0]:g}, {region[1]:g}" in str(told.value)
    assert f"{width}x{height}" in str(told.value)
    assert told.value.exit_code == 2


def test_the_box_has_all_regions_in_it_and_nothing_around_them():
    places = places_in([(10, 40, 20, 20), (25, 5, 100, 10)], 640, 480)
    assert box_around(places) == Box(10, 5, 125, 60)


def test_a_full_output_keeps_its_regions_and_one_cropped_to_a_region_has_none_left():
    full = PreprocessConfig(roi=(0.1, 0.1, 0.5, 0.5))
    assert within_crop(full) is full
    left = within_crop(PreprocessConfig(roi=(0.1, 0.1, 0.5, 0.5), output="cropped", max_side=64))
    assert left == PreprocessConfig(max_side=64)


SHARES = st.integers(0, 90).map(lambda number: number / 100)
SIZES = st.integers(5, 10).map(lambda number: number / 100)


@given(
    regions=st.lists(st.tuples(SHARES, SHARES, SIZES, SIZES), min_size=2, max_size=4),
    in_pixels=st.booleans(),
)
def test_in_a_cropped_frame_several_regions_are_where_they_were_within_a_pixel(regions, in_pixels):
    width, height = 1000, 700
    if in_pixels:
        regions = [(x * width, y * height, w * width, h * height) for x, y, w, h in regions]
        regions = [tuple(map(round, region)) for region in regions]
    cropped = PreprocessConfig(roi=regions, output="cropped")
    before = places_in(cropped.regions, width, height)
    box = box_around(before)
    after = places_in(within_crop(cropped).regions, box.width, box.height)
    for was, now in zip(before, after, strict=True):
        assert abs(now.left + box.left - was.left) <= 1
        assert abs(now.top + box.top - was.top) <= 1
        assert abs(now.right + box.left - was.right) <= 1
        assert abs(now.bottom + box.top - was.bottom) <= 1
    assert box_around(after) == Box(0, 0, box.width, box.height)
