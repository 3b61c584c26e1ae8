import pytest
import typer

from streamer.cli.lasting import Lasting, seconds
from tests.fakes import FakeClock


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(("60", 60), ("1.5", 1.5), (".5", 0.5), ("90s", 90), ("5m", 300), ("2h", 7200)),
        *(("1h30m", 5400), ("1m30", 90), ("0.5h", 1800), (" 60 ", 60), ("0m2s", 2)),
    ],
)
def test_a_time_is_written_in_seconds_or_with_its_units(text, expected):
    assert seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "-1",
        "x",
        "nan",
        "inf",
        "5d",
        "30m1h",
        "1e3",
        "1,5",
        "9" * 400,
        "s",
        "\uff11",
        "1h30",
    ],
)
def test_what_is_no_time_is_refused_with_an_example(text):
    with pytest.raises(
        typer.BadParameter, match=r"is not a time such as 60, 1.5, 90s, 5m or 1h30m"
    ):
        seconds(text)


def test_the_time_begins_with_the_first_frame():
    clock, frames, ready = FakeClock(), [0], [False]
    lasting = Lasting(2.0, lambda: ready[0], lambda: frames[0], clock)
    clock.pass_s(60)  # the model loads
    assert not lasting.over()
    ready[0] = True
    assert not lasting.over()
    clock.pass_s(1.5)  # the camera is away
    assert not lasting.over()
    frames[0] = 1
    assert not lasting.over()
    clock.pass_s(1.9)
    assert not lasting.over()
    clock.pass_s(0.1)
    assert lasting.over()


def test_without_a_time_it_goes_on():
    def captured():
        raise AssertionError("nobody need ask")

    assert not Lasting(None, lambda: True, captured).over()


def test_a_camera_that_is_never_there_keeps_no_run_for_ever():
    clock = FakeClock()
    lasting = Lasting(2.0, lambda: True, lambda: 0, clock)
    assert not lasting.over()
    clock.pass_s(1.9)
    assert not lasting.over()
    clock.pass_s(0.1)
    assert lasting.over()
