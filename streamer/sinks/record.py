"""A video file: the composed pictures with the source's own timestamps, and its audio."""

from __future__ import annotations

import logging
import os
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import av

from streamer.compositing import Composer
from streamer.errors import SinkError
from streamer.frame import Frame, Image, Matte, StreamInfo
from streamer.packets import AudioPacket, AudioTrack
from streamer.sinks.film import AUDIO_CODECS, Film
from streamer.sinks.paths import make_folder, refusal

_log = logging.getLogger(__name__)


class RecordSink:
    """
    Records the composed picture of each frame.

    The picture has the first frame's size, plus a black column or row at the right or bottom
    where that is odd.

    Args:
        path: the file; its folder is made when missing.
        composer: makes the picture.
        crf: x264's constant rate factor, 0 best to 51.
        preset: x264's speed against size.
        resize: a later picture of another size is scaled into the first one's, with black bars, or
            begins a new file: `clip.mp4`, then `clip-2.mp4`.
        overwrite: replace a file of that name, at its first frame.
    """

    name = "record"

    def __init__(
        self,
        path: Path,
        composer: Composer,
        *,
        crf: int = 20,
        preset: str = "veryfast",
        resize: Literal["scale", "new_file"] = "scale",
        overwrite: bool = False,
    ) -> None:
        self._template = self._path = path
        self._composer = composer
        self._options = {
            "crf": str(crf),
            "preset": preset,
            "tune": "zerolatency",  # a frame in the encoder would be lost beside the fragment
            "forced-idr": "1",
        }
        self._resize = resize
        self._overwrite = overwrite
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
        if info.audio is not None and info.audio.codec not in AUDIO_CODECS:
            self._audio = None
            _log.warning(
                "%s: recorded without its audio: %s is not for MP4",
                self._path,
                info.audio.codec,
            )
        self._take_name()

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Encode one frame; both are borrowed until this returns.

        Raises:
            SinkError: it could not be written. The file holds every fragment before, and plays.
        """
        if self._failed:
            raise SinkError(f"{self._path}: an earlier write failed: open a new recording")
        picture = self._composer.compose(frame.image, matte.alpha, card=matte.is_card)
        try:
            film = self._film_for(picture, frame)
            film.add(picture, frame.stamp)
            self._bytes = self._path.stat().st_size
        except (av.FFmpegError, OSError, ValueError) as error:
            self._give_up()
            raise refusal(self._path, error) from error
        self._frames += 1
        self._seconds = film.seconds

    def write_audio(self, packet: AudioPacket) -> None:
        """
        Write one packet of the source's audio; ignored where MP4 cannot hold it.

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
            SinkError: it could not be finished. The file holds every fragment before, and plays.
        """
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

    def _film_for(self, picture: Image, frame: Frame) -> Film:
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
                size,
                frame.stamp.time_base,
                self._info.fps,
                self._audio,
                self._options,
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
        """Let go of the file and cut off what came after the last whole fragment."""
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
