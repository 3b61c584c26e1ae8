from streamer.config import MattingConfig
from streamer.matting.tracking.effort import effort_of


def test_files_are_looked_at_exactly_unless_another_effort_is_chosen() -> None:
    assert effort_of(MattingConfig(), live=False).exact
    assert not effort_of(MattingConfig(effort="balanced"), live=False).exact


def test_a_live_stream_never_is_for_it_has_no_time_whatever_effort_is_chosen() -> None:
    best = effort_of(MattingConfig(effort="best"), live=True)
    assert not best.exact
    assert best.detail == effort_of(MattingConfig(), live=False).detail
