"""Files whose clock leaps within: recordings that were joined as they are."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from streamer.config import FileSourceConfig
from streamer.sources.file import FileSource
from streamer.sources.looped import LoopedVideo
from tests.unit.sources.clips import encode
from tests.unit.sources.decoding.test_audio import beeps_s, read_all

FRAME_S = 1 / 25
HOURS_S = 5 * 3600
WRAP_S = 2**33 / 90_000
"""Where the clock of a transport stream begins anew by itself."""
BEEPS_S = (0.5, 1.5)


def joined(path: Path, *parts: Path) -> Path:
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def part(tmp_path: Path, begins_s: float, *, sound: bool = True, frames: int = 50) -> Path:
    """Two seconds whose clock begins then."""
    path = tmp_path / f"part-{begins_s}-{sound}-{frames}.ts"
    beeps = tuple(at for at in BEEPS_S if at < frames / 25) if sound else None
    return encode(path, frames=frames, begins_s=begins_s, beeps_s=beeps)


def with_codecs(path: Path, video: str, audio: str) -> Path:
    """Two seconds of black and of silence."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(video, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        sound = container.add_stream(audio, rate=48_000)
        size = 0
        for number in range(50):
            frame = av.VideoFrame(64, 48, "yuv420p")
            for plane, level in zip(frame.planes, (16, 128, 128), strict=True):
                plane.update(bytes([level]) * plane.buffer_size)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
            while size < (number + 1) * 1920:
                container.mux(sound.encode(silence(size)))
                size += 1024
        container.mux(stream.encode())
        container.mux(sound.encode())
    return path


def silence(pts: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(
        np.zeros((2, 1024), np.float32), format="fltp", layout="stereo"
    )
    frame.sample_rate, frame.pts, frame.time_base = 48_000, pts, Fraction(1, 48_000)
    return frame


def file(path: Path, **fields: object) -> FileSource:
    return FileSource(FileSourceConfig(type="file", path=str(path), **fields))


def steps_s(times_s: list[Fraction]) -> tuple[float, float]:
    steps = np.diff([float(t) for t in times_s])
    return float(steps.min()), float(steps.max())


def assert_steady(times_s: list[Fraction], parts: int, lasting_s: float = 2) -> None:
    """One frame after the other: at a joint there may be one frame more of time, never less."""
    shortest, longest = steps_s(times_s)
    assert shortest > 0.9 * FRAME_S
    assert longest < 2.1 * FRAME_S
    length = float(times_s[-1] - times_s[0]) + FRAME_S
    assert length == pytest.approx(parts * lasting_s, abs=parts * FRAME_S)


@pytest.mark.parametrize(
    "begin_s",
    [
        (0, 0),
        (HOURS_S, 0),
        (0, HOURS_S),
        (0, HOURS_S, 60, 0),
        (WRAP_S - 1, 60),
        (WRAP_S - 1, HOURS_S, WRAP_S - 1),
    ],
)
def test_sound_and_pictures_of_joined_parts_go_on_together(tmp_path, play, begin_s):
    path = joined(tmp_path / "joined.ts", *(part(tmp_path, at) for at in begin_s))
    played = play(path)
    assert played.levels == [n % 50 for n in range(50 * len(begin_s))]
    assert_steady(played.times_s, len(begin_s))

    info, heard = read_all(file(path))
    times_s = [packet.pts * info.audio.time_base for packet in heard]
    assert steps_s(times_s) == pytest.approx((1024 / 48_000,) * 2, abs=5e-4)
    found = [at - float(played.times_s[0]) for at in beeps_s(info, heard)]
    wanted = [2 * n + beep for n in range(len(begin_s)) for beep in BEEPS_S]
    assert found == pytest.approx(wanted, abs=len(begin_s) * FRAME_S)


@pytest.mark.parametrize("begin_s", [(0, 0), (HOURS_S, 0), (0, HOURS_S, 0)])
def test_joined_parts_without_sound_go_on(tmp_path, play, begin_s):
    parts = [part(tmp_path, at, sound=False) for at in begin_s]
    played = play(joined(tmp_path / "joined.ts", *parts))
    assert played.levels == [n % 50 for n in range(50 * len(begin_s))]
    assert_steady(played.times_s, len(begin_s))


def test_sound_that_nobody_wants_changes_no_time(tmp_path, play):
    path = joined(tmp_path / "joined.ts", part(tmp_path, 0), part(tmp_path, HOURS_S))
    assert play(path, audio=False).times_s == play(path).times_s


@pytest.mark.parametrize(
    ("suffix", "video", "audio"),
    [
        (".ts", "mpeg2video", "mp2"),
        (".ts", "libx264", "ac3"),
        (".ts", "libx264", "libmp3lame"),
        (".m2ts", "libx264", "ac3"),
        (".mpg", "mpeg2video", "mp2"),
    ],
)
def test_packets_of_every_sound_keep_their_distance_at_a_joint(
    tmp_path, play, suffix, video, audio
):
    single = with_codecs(tmp_path / f"part{suffix}", video, audio)
    path = joined(tmp_path / f"joined{suffix}", single, single)
    assert_steady(play(path).times_s, 2)
    info, heard = read_all(file(path))
    shortest, longest = steps_s([packet.pts * info.audio.time_base for packet in heard])
    assert shortest == pytest.approx(longest, abs=5e-4)


def test_a_part_without_sound_keeps_its_time_between_others(tmp_path, play):
    loud, mute = part(tmp_path, 0), part(tmp_path, 0, sound=False)
    path = joined(tmp_path / "joined.ts", loud, mute, loud)
    times_s = play(path).times_s
    assert_steady(times_s, 3)
    info, heard = read_all(file(path))
    found = [at - float(times_s[0]) for at in beeps_s(info, heard)]
    assert found == pytest.approx([0.5, 1.5, 4.5, 5.5], abs=3 * FRAME_S)


def test_parts_shorter_than_the_tracks_are_apart_go_on_together(tmp_path, play):
    short = part(tmp_path, 0, frames=12)
    path = joined(tmp_path / "joined.ts", *[short] * 6)
    assert_steady(play(path).times_s, 6, 12 / 25)
    info, heard = read_all(file(path))
    shortest, longest = steps_s([packet.pts * info.audio.time_base for packet in heard])
    assert shortest == pytest.approx(longest, abs=5e-4)


def test_start_and_duration_count_the_joined_time(tmp_path, play):
    path = joined(tmp_path / "joined.ts", part(tmp_path, HOURS_S), part(tmp_path, 0))
    assert play(path, start_s=2.6, duration_s=0.4).levels == pytest.approx(
        list(range(15, 25)), abs=1
    )
    assert play(path, start_s=1.6, duration_s=0.8).levels[:12] == [*range(40, 50), 0, 1]


def test_a_loop_over_joined_parts_goes_on(tmp_path, play):
    path = joined(tmp_path / "joined.ts", part(tmp_path, 0), part(tmp_path, HOURS_S))
    played = play(path, limit=250, loop=True)
    assert played.levels == [n % 50 for n in range(250)]
    assert_steady(played.times_s, 5)


def test_a_background_of_joined_parts_shows_each_at_its_time(tmp_path):
    path = joined(tmp_path / "joined.ts", part(tmp_path, 0), part(tmp_path, HOURS_S))
    video = LoopedVideo(str(path))
    try:
        shown = [round(float(video(n / 25).mean()) * 219 / 255 / 4) for n in range(100)]
    finally:
        video.close()
    assert shown == pytest.approx([n % 50 for n in range(50)] * 2, abs=49)
    assert shown[:50] == list(range(50))
    assert shown[60:] == pytest.approx(list(range(10, 50)), abs=1)


def test_the_sound_of_joined_matroska_goes_on_as_its_pictures_do(tmp_path, play):
    single = encode(tmp_path / "part.mkv", beeps_s=BEEPS_S)
    path = joined(tmp_path / "joined.mkv", single, single)
    times_s = play(path).times_s
    assert_steady(times_s, 2)
    info, heard = read_all(file(path))
    found = [at - float(times_s[0]) for at in beeps_s(info, heard)]
    assert found == pytest.approx([0.5, 1.5, 2.5, 3.5], abs=2 * FRAME_S)


@pytest.mark.parametrize("other", ["mpegts_start_pid", "mpegts_service_id"])
def test_a_part_whose_tracks_have_other_numbers_ends_no_run_and_its_pictures_come(
    tmp_path, play, other
):
    first, second = part(tmp_path, 0), tmp_path / "other.ts"
    with av.open(str(first)) as read, av.open(str(second), "w", options={other: "600"}) as write:
        streams = {s.index: write.add_stream_from_template(s) for s in read.streams}
        for packet in read.demux():
            if packet.size:
                packet.stream = streams[packet.stream.index]
                write.mux(packet)
    played = play(joined(tmp_path / "joined.ts", first, second))
    assert played.levels[:48] == list(range(48))
    if other == "mpegts_start_pid":  # FFmpeg mixes up the pictures next to the joint
        assert len(played.levels) >= 98
        assert all(played.levels.count(level) == 2 for level in range(2, 48))


def test_a_picture_that_stands_while_the_sound_goes_on_keeps_its_time(tmp_path, play):
    path = tmp_path / "still.ts"
    times_ms = [0, 40, 80, 20_000, 20_040]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        stream.options = {"bf": "0", "tune": "zerolatency"}
        sound = container.add_stream("aac", rate=48_000)
        due_ms = deque(times_ms)
        for number in range(20 * 47 + 10):
            container.mux(sound.encode(silence(number * 1024)))
            if due_ms and number * 1024 / 48 >= due_ms[0]:
                frame = av.VideoFrame(64, 48, "yuv420p")
                frame.pts, frame.time_base = due_ms.popleft(), Fraction(1, 1000)
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
        container.mux(sound.encode())
    times_s = play(path).times_s
    assert [round(float(t - times_s[0]) * 1000) for t in times_s] == times_ms


def test_a_slideshow_keeps_its_pace(tmp_path, play):
    path = encode(tmp_path / "slides.ts", frames=4, pts=[0, 9_900, 19_800, 29_700])
    assert steps_s(play(path).times_s) == pytest.approx((9.9, 9.9))


def test_a_format_whose_clock_cannot_leap_keeps_a_long_gap(tmp_path, play):
    path = encode(tmp_path / "gap.mkv", frames=3, pts=[0, 40, HOURS_S * 1000])
    assert play(path).times_s == [0, Fraction(1, 25), HOURS_S]
