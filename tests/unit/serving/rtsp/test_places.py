from __future__ import annotations

import pytest

from streamer.serving.rtsp.places import Place, locate


@pytest.mark.parametrize(
    ("uri", "place"),
    [
        ("rtsp://h/masked", Place("rtsp://h/masked", "/masked", None)),
        ("RTSP://h:8554/masked/", Place("rtsp://h:8554/masked", "/masked", None)),
        ("rtsp://h/masked/trackID=0", Place("rtsp://h/masked", "/masked", 0)),
        ("rtsp://h/masked/trackID=1/", Place("rtsp://h/masked", "/masked", 1)),
        ("rtsp://h/masked?a=b/trackID=1", Place("rtsp://h/masked", "/masked", 1)),
        ("rtsp://h/masked/trackID=1?a=b", Place("rtsp://h/masked", "/masked", 1)),
        ("rtsp://me:s3cret@h/masked", Place("rtsp://h/masked", "/masked", None)),
        ("rtsp://h/m%61sked", Place("rtsp://h/m%61sked", "/masked", None)),
        ("rtsp://h", Place("rtsp://h", "/", None)),
        ("/masked", Place("rtsp://here:1/masked", "/masked", None)),
        ("masked", None),
        ("", None),
    ],
)
def test_uris_are_read(uri, place):
    assert locate(uri, "here:1") == place
