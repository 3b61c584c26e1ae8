"""A video file: the composed pictures with the source's own timestamps, and its audio."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import av

from streamer.compositing import Composer, Picture
from streamer.config import VideoFileCodec, is_among, video_codec_of
from streamer.errors import SinkError
from streamer.frame import Frame, Matte, StreamInfo
from streamer.packets import AudioPacket, AudioTrack
from streamer.sinks.paths import make_folder, refusal
from streamer.sinks.recording.film import Film, FilmKind
from streamer.sinks.recording.formats import CONTAINERS, ENCODINGS

_log = logging.getLogger(__name__)


class RecordSink:
    """
    Records the composed picture of each frame.

    The picture has the first frame's size; in YUV plus a black or transparent column or row at
    the right or bottom where that is odd. An alpha is recorded straight.

    Args:
        path: the file; its suffix says its kind, and its folder is made when missing.
        composer: makes the picture: BGR, or BGRA where the codec holds an alpha.
        codec: `auto` takes the one that goes with the suffix.
        crf: constant rate factor of h264, vp9 and av1, 0 best; the encoding's own when None.
        preset: x264's speed against size.
        resize: a later picture of another size is scaled into the first one's, with black bars, or
            begins a new file: `clip.mp4`, then `clip-2.mp4`.
        overwrite: replace a file of that name, at its first frame.
        kept: files that are not replaced all the same, by whatever name: what the stream reads.

    Raises:
        ValueError: the codec does not go into such a file, or it is no video file.
    """

    name = "record"

    def __init__(
        self,
        path: Path,
        composer: Composer,
        *,
        codec: VideoFileCodec | Literal["auto"] = "auto",
        crf: int | None = None,
        preset: str = "veryfast",
        resize: Literal["scale", "new_file"] = "scale",
        overwrite: bool = False,
        kept: Sequence[str] = (),
    ) -> None:
        self._template = self._path = path
        self._composer = composer
        encoding = ENCODINGS[video_codec_of(str(path), codec)]
        self._kind = FilmKind(CONTAINERS[path.suffix.lower()], encoding, crf, preset)
        self._resize = resize
        self._overwrite = overwrite
        self._kept = kept
        self._info: StreamInfo | None = None
        self._audio: AudioTrack | None = None
        self._made = False
        self._film: Film | None = None
        self._failed = False
        self._frames = 0
        self._audio_packets = 0
        self._bytes = 0
        self._seconds = 0.0
        self._files = 0
        self._earlier_bytes = 0
        self._earlier_seconds = 0.0

    def open(self, info: StreamInfo) -> None:
        """
        Make the folder and take the name; the file is begun by the first frame.

        Raises:
            SinkError: the file exists, or cannot be written.
        """
        make_folder(self._path.parent)
        self._info = info
        self._audio = info.audio
        container = self._kind.container
        if info.audio is not None and info.audio.codec not in container.audio:
            self._audio = None
            _log.warning(
                "%s: recorded without its audio: %s is not for %s",
                self._path,
                info.audio.codec,
                container.name,
            )
        self._take_name()

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Encode one frame; both are borrowed until this returns.

        Raises:
            SinkError: it could not be written. What was on the disk before plays, but of a WebP,
                which is written at its end.
        """
        if self._failed:
            raise SinkError(f"{self._path}: an earlier write failed: open a new recording")
        picture = self._composer.compose(
            frame.image, matte.alpha, card=matte.is_card, pts_s=frame.stamp.pts_s
        )
        try:
            film = self._film_for(picture, frame)
            is_in = film.add(picture, frame.stamp)
            self._bytes = self._path.stat().st_size
        except (av.FFmpegError, OSError, ValueError) as error:
            self._give_up()
            raise refusal(self._path, error) from error
        self._frames += is_in
        self._seconds = film.seconds

    def write_audio(self, packet: AudioPacket) -> None:
        """
        Write one packet of the source's audio; ignored where the file cannot hold it.

        Raises:
            SinkError: it could not be written.
        """
        if self._film is None or self._audio is None:
            return
        try:
            self._film.add_audio(packet, self._audio.time_base)
        except (av.FFmpegError, OSError, ValueError) as error:
            self._give_up()
            raise refusal(self._path, error) from error
        self._audio_packets += 1

    def close(self) -> None:
        """
        Finish the file; without a frame there is none. Twice is once.

        Raises:
            SinkError: it could not be finished; as `write`.
        """
        self._composer.close()
        if self._film is not None:
            self._finish()
        elif self._made:
            self._made = False
            with suppress(OSError):
                self._path.unlink()

    def statistics(self) -> dict[str, Any]:
        """
        `{type, path, files, frames, audio_packets, bytes, seconds}`. Thread-safe.

        The path is the newest file's; seconds are those of film, and like the bytes of all files.
        """
        return {
            "type": self.name,
            "path": str(self._path),
            "files": self._files,
            "frames": self._frames,
            "audio_packets": self._audio_packets,
            "bytes": self._earlier_bytes + self._bytes,
            "seconds": round(self._earlier_seconds + self._seconds, 6),
        }

    def _take_name(self) -> None:
        if is_among(self._path, self._kept):
            self._made = False
            raise SinkError(f"{self._path}: is what the stream reads: name another file")
        try:
            self._made = not self._path.exists()
            with self._path.open("ab" if self._overwrite else "xb"):
                pass
        except FileExistsError as error:
            self._made = False
            raise SinkError(
                f"{self._path}: exists already: set overwrite: true, "
                "or put {start:%Y%m%d-%H%M%S} in its name"
            ) from error
        except OSError as error:
            self._made = False
            raise refusal(self._path, error) from error

    def _take_next_name(self) -> None:
        """Take `clip-2.mp4` or the first after it that is free: no run ends for a taken name."""
        number = self._files + 1
        while True:
            self._path = self._template.with_stem(f"{self._template.stem}-{number}")
            number += 1
            if self._overwrite or not self._path.exists():
                break
        self._take_name()

    def _film_for(self, picture: Picture, frame: Frame) -> Film:
        """The film that *picture* belongs in, begun if there is none of its kind."""
        assert self._info is not None  # noqa: S101 - written after open
        size = (picture.shape[1], picture.shape[0])
        if self._film is not None and self._film.size != size and self._resize == "new_file":
            self._finish()
            self._earlier_bytes += self._bytes
            self._earlier_seconds += self._seconds
            self._bytes, self._seconds = 0, 0.0
            self._take_next_name()
        if self._film is None:
            self._film = Film(
                self._path,
                self._kind,
                picture,
                frame.stamp.time_base,
                self._info.fps,
                self._audio,
            )
            self._files += 1
        return self._film

    def _finish(self) -> None:
        assert self._film is not None  # noqa: S101 - callers know
        try:
            self._film.finish()
            self._film = None
            self._bytes = self._path.stat().st_size
        except (av.FFmpegError, OSError, ValueError) as error:
            self._give_up()
            raise refusal(self._path, error) from error

    def _give_up(self) -> None:
        """Let go of the file and cut off what came after the last whole write."""
        self._failed = True
        if self._film is not None:
            self._film.abandon()
            self._film = None
        with suppress(OSError):
            if self._bytes:
                os.truncate(self._path, self._bytes)
            elif self._made:
                self._path.unlink()
        self._made = False
