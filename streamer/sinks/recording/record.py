"""A video file of the composed pictures, at the source's own pace from 0 on, with its audio."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import av

from streamer.compositing import Picture, SinkComposer
from streamer.config import RecordSinkConfig, VideoFileCodec, is_among, video_codec_of
from streamer.errors import SinkError
from streamer.events import RecordingEnded, RecordingStarted, Tell, nobody
from streamer.frame import Frame, Matte, StreamInfo
from streamer.packets import AudioPacket, AudioTrack
from streamer.sinks.making import Making
from streamer.sinks.recording.claim import Claim
from streamer.sinks.recording.film import Film, FilmKind, has_pictures
from streamer.sinks.recording.formats import CONTAINERS, ENCODINGS
from streamer.sinks.recording.recoder import Recoder
from streamer.sinks.shared.paths import is_of_the_disk, make_folder, refusal
from streamer.sinks.shared.presets import preset_of

_log = logging.getLogger(__name__)


def make_recording(config: RecordSinkConfig, making: Making, path: str) -> RecordSink:
    """A recording as *config* says, but into *path*, a template. Raises ConfigError."""
    best = making.best_pixels(config)
    return RecordSink(
        making.path(path),
        making.composer(config, "bgr" if best == "gray" else best),
        codec=config.codec,
        crf=config.crf,
        preset=config.preset,
        resize=config.resize,
        overwrite=config.overwrite,
        kept=making.kept,
        tell=making.tell,
    )


class RecordSink:
    """
    Records the composed picture of each frame.

    The film has the first picture's size; in YUV an odd side gets a black or transparent column at
    the right or row at the bottom. An alpha is recorded straight.

    Args:
        path: the file; its suffix says its kind, and its folder is made when missing.
        composer: makes the picture: BGR, or BGRA where the codec holds an alpha.
        codec: `auto` takes the one that goes with the suffix.
        crf: constant rate factor of h264, vp9 and av1, 0 best; the encoding's own when None.
        preset: x264's speed against size; see `presets`.
        resize: `scale` fits a later picture of another size into the first one's, with black bars;
            `new_file` begins a new file for it: `clip.mp4`, then `clip-2.mp4`.
        overwrite: replace a file of that name, at its first frame.
        kept: files that are never replaced, under whatever name: those that the stream reads.
        tell: called when a file begins and when it ends.

    Raises:
        ValueError: *path* is no video file, or the codec does not go into such a file.
    """

    name = "record"

    def __init__(
        self,
        path: Path,
        composer: SinkComposer,
        *,
        codec: VideoFileCodec | Literal["auto"] = "auto",
        crf: int | None = None,
        preset: str = "auto",
        resize: Literal["scale", "new_file"] = "scale",
        overwrite: bool = False,
        kept: Sequence[str] = (),
        tell: Tell = nobody,
    ) -> None:
        self._template = self._path = path
        self._composer = composer
        encoding = ENCODINGS[video_codec_of(str(path), codec)]
        self._kind = FilmKind(CONTAINERS[path.suffix.lower()], encoding, crf, preset)
        self._resize = resize
        self._overwrite = overwrite
        self._kept = kept
        self._tell = tell
        self._told: str | None = None
        """The file whose beginning was told, until its end is."""
        self._info: StreamInfo | None = None
        self._audio: AudioTrack | None = None
        self._claim: Claim | None = None
        self._first_claim: Claim | None = None
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
        Make the folder and claim the name; the first frame begins the file.

        Raises:
            SinkError: the file exists, cannot be written, or another run records into it.
        """
        make_folder(self._path.parent)
        self._info = info
        preset = preset_of(self._kind.preset, live=info.live)
        self._kind = replace(self._kind, preset=preset)
        self._audio = None if info.audio is None else self._recorded(info.audio)
        self._take_name()

    def _recorded(self, audio: AudioTrack) -> AudioTrack | None:
        """*audio* if it can be copied or re-encoded, else None; logs all but a copy."""
        container = self._kind.container
        if audio.codec in container.audio:
            return audio
        keeping = [suffix for suffix, other in CONTAINERS.items() if audio.codec in other.audio]
        way_out = f"; in {' and '.join(keeping)} it stays as it is" if keeping else ""
        problem = f"{container.name} holds none"
        if container.recoded is not None:
            try:
                Recoder(audio, container.recoded)
            except (av.FFmpegError, ValueError):
                problem = f"{audio.codec} cannot be decoded here"
            else:
                said = f"{audio.codec} becomes {container.recoded} in {container.name}{way_out}"
                _log.info("%s: its sound is encoded anew: %s", self._path, said)
                return audio
        _log.warning("%s: recorded without its sound: %s%s", self._path, problem, way_out)
        return None

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Encode one frame; both are borrowed until this returns.

        Raises:
            SinkError: it could not be written. What was on the disk before still plays, except for
                a WebP, which is written at its end.
        """
        if self._failed:
            raise SinkError(f"{self._path}: an earlier write failed: open a new recording")
        picture = self._composer.picture_of(frame, matte)
        try:
            film = self._film_for(picture, frame)
            is_in = film.add(picture, frame.stamp)
            self._bytes = self._path.stat().st_size
        except (av.FFmpegError, OSError, ValueError) as error:
            self._give_up(error)
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
            self._film.add_audio(packet)
        except (av.FFmpegError, OSError, ValueError) as error:
            self._give_up(error)
            raise refusal(self._path, error) from error
        self._audio_packets += 1

    def close(self) -> None:
        """
        Finish the file; without a frame there is none. Safe to call twice.

        Raises:
            SinkError: it could not be finished; as `write`.
        """
        self._composer.close()
        try:
            if self._film is not None:
                self._finish()
            elif self._claim is not None:
                self._claim.release(delete=self._claim.made)
        finally:
            if self._first_claim is not None:
                self._first_claim.release()

    def statistics(self) -> dict[str, Any]:
        """
        `{type, path, files, frames, audio_packets, bytes, seconds, preset}`. Thread-safe.

        `path` is the newest file's; `bytes` and `seconds` of film are of all files together.
        `preset` is None before `open`, and for codecs without one.
        """
        takes_one = "preset" in self._kind.encoding.takes
        return {
            "type": self.name,
            "path": str(self._path),
            "files": self._files,
            "frames": self._frames,
            "audio_packets": self._audio_packets,
            "bytes": self._earlier_bytes + self._bytes,
            "seconds": round(self._earlier_seconds + self._seconds, 6),
            "preset": self._kind.preset if self._info and takes_one else None,
        }

    def _take_name(self) -> None:
        if is_among(self._path, self._kept):
            raise SinkError(f"{self._path}: is what the stream reads: name another file")
        self._claim = Claim(self._path, replace=self._overwrite)

    def _take_next_name(self) -> None:
        """Claim `clip-2.mp4`, or the next free name: a taken one must not end the run."""
        number = self._files
        while True:
            number += 1
            self._path = self._template.with_stem(f"{self._template.stem}-{number}")
            if is_among(self._path, self._kept):
                continue
            try:
                self._take_name()
            except SinkError as error:
                if isinstance(error.__cause__, BlockingIOError | FileExistsError):
                    continue
                raise
            return

    def _film_for(self, picture: Picture, frame: Frame) -> Film:
        """The film that *picture* belongs in; begins one where needed."""
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
                frame.stamp,
                self._info.fps,
                self._audio,
            )
            self._files += 1
            self._told = str(self._path)
            self._tell(RecordingStarted(self._told))
        return self._film

    def _finish(self) -> None:
        assert self._film is not None  # noqa: S101 - callers know
        try:
            self._film.finish()
            self._film = None
            self._bytes = self._path.stat().st_size
        except (av.FFmpegError, OSError, ValueError) as error:
            self._give_up(error)
            raise refusal(self._path, error) from error
        self._tell_of_the_end()
        if self._first_claim is None:
            # Another run would begin with this name: keep the claim, to refuse it at once.
            self._first_claim, self._claim = self._claim, None
        elif self._claim is not None:
            self._claim.release()

    def _give_up(self, error: Exception) -> None:
        """
        Release the file, and delete it if it cannot be played.

        Where the disk failed, the file is cut after its last whole write. After other failures it
        is left alone: FFmpeg has written its end, which may have changed the file's structure.
        """
        self._failed = True
        film, self._film = self._film, None
        claim, self._claim = self._claim, None
        unplayable = claim is not None and (claim.made or _is_empty(self._path))
        if film is not None:
            ended = film.abandon() and not is_of_the_disk(error)
            if not ended and self._bytes:
                with suppress(OSError):
                    os.truncate(self._path, self._bytes)
            unplayable = self._path.is_file() and not has_pictures(self._path)
        if claim is not None:
            claim.release(delete=unplayable)
        self._tell_of_the_end()

    def _tell_of_the_end(self) -> None:
        told, self._told = self._told, None
        if told is not None:
            self._tell(RecordingEnded(told))


def _is_empty(path: Path) -> bool:
    try:
        return not path.stat().st_size
    except OSError:
        return False
