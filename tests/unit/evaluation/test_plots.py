import numpy as np
import pytest

from streamer.evaluation import Sample
from streamer.evaluation.plots import chart, worst_sheet


def coloured(picture):
    return (picture.max(axis=2).astype(int) - picture.min(axis=2)) > 60


def test_a_line_is_higher_where_the_error_is():
    picture = chart("errors", {"a": [0.0] * 10 + [5.0] * 10})
    lines = coloured(picture)[50:]
    heights = [np.nonzero(lines[:, x : x + 40])[0].mean() for x in (200, 800)]
    assert heights[1] < heights[0] - 100


def test_each_configuration_has_a_colour_and_gaps_stay_empty():
    one = chart("errors", {"a": [1.0, 2.0, 3.0]})
    two = chart("errors", {"a": [1.0, 2.0, 3.0], "b": [3.0, 2.0, 1.0]})
    assert len(np.unique(two[coloured(two)], axis=0)) > len(np.unique(one[coloured(one)], axis=0))
    nothing = chart("errors", {"a": [None, None, None]})[50:]
    assert not coloured(nothing).any()
    assert coloured(one[50:]).any()


@pytest.mark.parametrize("values", [[], [0.0], [0.0, 0.0], [1e-9, 1e9]])
def test_any_values_can_be_drawn(values):
    assert chart("errors", {"a": values}).shape == (360, 960, 3)


def test_a_sheet_has_a_row_a_frame_and_a_source_only_where_there_is_one():
    alpha = np.zeros((90, 160), np.uint8)
    alpha[20:60, 40:90] = 255
    image = np.full((90, 160, 3), 90, np.uint8)
    with_source = [Sample(n, image, alpha, alpha // 2, None, None, "inferred") for n in (3, 7)]
    without = [Sample(3, None, alpha, alpha // 2, None)]
    assert worst_sheet(with_source).shape[0] == 2 * worst_sheet(without).shape[0]
    assert worst_sheet(with_source).shape[1] * 3 == worst_sheet(without).shape[1] * 4
