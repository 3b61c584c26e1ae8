from __future__ import annotations

import math

import pytest
from pydantic import ValidationError

from streamer.config import PreprocessConfig, RtspSourceConfig, UsbSourceConfig


def test_one_region_or_several_are_written_alike():
    one, several = (0.1, 0.1, 0.5, 0.5), [(0, 0, 0.2, 0.2), (40, 40, 10, 10)]
    assert PreprocessConfig(roi=one).regions == (one,)
    assert PreprocessConfig(roi=several).regions == tuple(several)
    assert PreprocessConfig().regions == ()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"output": "cropped"}, "needs a roi"),
        (
            {"output": "cropped", "roi": [[0, 0, 0.5, 0.5], [10, 10, 50, 50]]},
            "all in fractions, or all in pixels",
        ),
        ({"max_side": 64, "scale": 0.5}, "either max_side or scale"),
        ({"roi": [math.nan, 0, 0.5, 0.5]}, "finite"),
        ({"roi": [0, 0, math.inf, math.inf]}, "finite"),
    ],
)
def test_what_cannot_be_meant_is_refused(fields, said):
    with pytest.raises(ValidationError, match=said):
        PreprocessConfig.model_validate(fields)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (UsbSourceConfig, {"type": "usb"}),
        (RtspSourceConfig, {"type": "rtsp", "url": "rtsp://host/1"}),
    ],
)
def test_frames_so_rare_that_they_look_like_a_stall_want_more_patience(kind, fields):
    with pytest.raises(ValidationError, match=r"give reconnect.stall_s 20 or more"):
        kind.model_validate({**fields, "max_fps": 0.1})
    patient = kind.model_validate({**fields, "max_fps": 0.1, "reconnect": {"stall_s": 20}})
    assert patient.max_fps == 0.1
