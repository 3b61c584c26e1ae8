"""Files that show less than they hold, by an edit list, and files that were cut short."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import pytest

from streamer.config import FileSourceConfig
from streamer.errors import SourceLost
from streamer.sources.file import FileSource
from tests.unit.sources.clips import encode
from tests.unit.sources.decoding.test_audio import read_all

SCALE = 12_800
"""Units of a second in the track; a movie's are milliseconds."""
LEAD = 1024
"""Where the first frame is in the track: B-frames come two frames later than they are decoded."""
Edit = tuple[int, int]


def atoms(data: bytes, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    while begin + 8 <= end:
        size, kind = struct.unpack(">I4s", data[begin : begin + 8])
        yield kind, begin, size
        begin += size


def atom(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def edited(path: Path, *edits: Edit) -> Path:
    """
    Give the video of *path*, whose header is at its end, an edit list.

    Each edit is how long it is shown, in ms, and from where on in the track; -1 shows nothing.
    """
    data = path.read_bytes()
    at, size = next((at, size) for kind, at, size in atoms(data, 0, len(data)) if kind == b"moov")
    movie = b""
    is_first = True
    for kind, begin, length in atoms(data, at + 8, at + size):
        content = data[begin : begin + length]
        if kind == b"trak" and is_first:
            is_first = False
            inner = {k: data[b : b + n] for k, b, n in atoms(data, begin + 8, begin + length)}
            entries = b"".join(struct.pack(">IiI", *edit, 0x10000) for edit in edits)
            inner[b"edts"] = atom(
                b"edts", atom(b"elst", struct.pack(">II", 0, len(edits)) + entries)
            )
            content = atom(b"trak", b"".join(inner.values()))
        movie += content
    path.write_bytes(data[:at] + atom(b"moov", movie))
    return path


@pytest.mark.parametrize(
    ("edits", "levels"),
    [
        ([(1000, LEAD)], [*range(25)]),
        ([(1000, SCALE + LEAD)], [*range(25, 50)]),
        ([(600, SCALE // 2 + LEAD + 256)], [*range(13, 28)]),
        ([(400, LEAD), (400, SCALE + LEAD)], [*range(10), *range(25, 35)]),
        ([(400, SCALE + LEAD), (400, LEAD)], [*range(25, 35), *range(10)]),
        ([(1000, -1), (400, SCALE + LEAD)], [*range(25, 35)]),
        ([(40, SCALE + LEAD)], [25]),
    ],
)
@pytest.mark.parametrize("suffix", ["mov", "mp4"])
def test_a_film_that_shows_a_part_of_what_it_holds_ends_well(tmp_path, play, suffix, edits, levels):
    path = edited(encode(tmp_path / f"trimmed.{suffix}"), *edits)
    played = play(path)
    assert played.levels == pytest.approx(levels, abs=1)
    assert played.info.frames == len(levels)


def test_a_trimmed_film_with_sound_ends_well(tmp_path, play):
    path = edited(encode(tmp_path / "trimmed.mov", beeps_s=(0.5,)), (1000, SCALE + LEAD))
    assert len(play(path).levels) == 25
    _, heard = read_all(FileSource(FileSourceConfig(type="file", path=str(path))))
    assert heard


def test_a_trimmed_film_that_was_cut_short_is_told(tmp_path, play):
    whole, path = encode(tmp_path / "whole.mov", noise=True), tmp_path / "trimmed.mov"
    options = {"movflags": "faststart", "avoid_negative_ts": "disabled"}
    with av.open(str(whole)) as read, av.open(str(path), "w", options=options) as write:
        stream = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.size and packet.pts is not None and packet.dts is not None:
                packet.pts, packet.dts = packet.pts - 10 * 512, packet.dts - 10 * 512
                packet.stream = stream
                write.mux(packet)
    assert len(play(path).levels) == 40
    data = path.read_bytes()
    path.write_bytes(data[: len(data) * 6 // 10])
    with pytest.raises(SourceLost, match=r"ends early: \d+ of 40 frames: the file is incomplete"):
        play(path)


def test_an_avi_whose_pictures_stand_ends_well_and_is_told_where_it_is_cut_short(tmp_path, play):
    times_ms = [*range(0, 1000, 40), *range(3000, 4000, 40)]
    path = encode(tmp_path / "still.avi", codec="mpeg4", pts=times_ms, noise=True)
    assert [round(float(t) * 1000) for t in play(path).times_s] == times_ms
    data = path.read_bytes()
    path.write_bytes(data[: data.index(b"idx1") * 6 // 10])
    with pytest.raises(SourceLost, match=r"still.avi ends early: \d+ of 4000 frames"):
        play(path)


def test_a_matroska_film_that_begins_late_ends_well(tmp_path, play):
    path = encode(tmp_path / "late.mkv", pts=list(range(60_000, 62_000, 40)))
    assert play(path).times_s[0] == Fraction(60)
