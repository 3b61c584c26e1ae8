"""A relay that publishes is refused before anything runs, where nothing could come of it."""

from __future__ import annotations

import pytest

from streamer.config import DEFAULT_SETTINGS, RtspSinkConfig
from streamer.core.metrics import LatencyHistogram
from streamer.errors import ConfigError
from streamer.protocols import Sink
from streamer.sinks import Making, make_sink


def sink(**fields: object) -> Sink:
    return make_sink(
        RtspSinkConfig.model_validate({"type": "rtsp", **fields}),
        Making(
            settings=DEFAULT_SETTINGS,
            stream="desk",
            latency=LatencyHistogram(),
        ),
    )


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"publish": "srt://joe:s3cret@host:9000"}, "srt://…: is none of"),
        ({"publish": "rtmps://joe:s3cret@host/a/s3cret", "tls_ca": "a.pem"}, "cannot verify"),
        ({"publish": "rtsps://joe:s3cret@host/a", "tls_ca": "none.pem"}, "none.pem: no such file"),
    ],
)
def test_what_cannot_be_published_is_refused_when_the_sink_is_made(fields, said):
    with pytest.raises(ConfigError) as refused:
        sink(**fields)
    assert said in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_a_server_need_not_be_verified():
    made = sink(publish="rtsps://joe:s3cret@host/a", tls_verify=False, tls_ca="none.pem")
    assert made.statistics()["publish"] == "rtsps://host/a"
