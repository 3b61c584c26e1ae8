"""
A video file: H.264 in fragmented MP4, with the source's own timestamps.

A fragment is one second. Each is on the disk when the next begins, so a process that is killed
loses at most the fragment it was in.
"""

from __future__ import annotations

import os
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.frame import PictureType, VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from streamer.compositing import Composer
from streamer.errors import SinkError
from streamer.frame import Frame, Image, Matte, Stamp, StreamInfo
from streamer.sinks.paths import make_folder, refusal
from streamer.sinks.timeline import Timeline

_MUXER = {
    # frag_discont and no edit list keep a first timestamp that is not 0.
    "movflags": "frag_keyframe+empty_moov+default_base_moof+frag_discont",
    "use_editlist": "0",
    "avoid_negative_ts": "disabled",
    "flush_packets": "1",
}
_FRAGMENT_S = 1
_BT709 = 1
"""AVCOL_SPC_BT709, AVCOL_PRI_BT709 and AVCOL_TRC_BT709 alike."""
_NOMINAL_FPS = Fraction(25)
"""What the encoder is told where the source names no rate; the timestamps are what counts."""


class RecordSink:
    """
    Records the composed picture of each frame.

    The picture has the first frame's size, plus a black column or row at the right or bottom
    where that is odd. A later frame of another size is scaled into it, with black bars.

    Args:
        path: the file; its folder is made when missing.
        composer: makes the picture.
        crf: x264's constant rate factor, 0 best to 51.
        preset: x264's speed against size.
        overwrite: replace a file of that name, at the first frame.
    """

    name = "record"

    def __init__(
        self,
        path: Path,
        composer: Composer,
        *,
        crf: int = 20,
        preset: str = "veryfast",
        overwrite: bool = False,
    ) -> None:
        self._path = path
        self._composer = composer
        self._options = {
            "crf": str(crf),
            "preset": preset,
            "tune": "zerolatency",  # a frame in the encoder would be lost beside the fragment
            "forced-idr": "1",
        }
        self._overwrite = overwrite
        self._fps: Fraction | None = None
        self._made = False
        self._film: _Film | None = None
        self._failed = False
        self._frames = 0
        self._bytes = 0
        self._seconds = 0.0

    def open(self, info: StreamInfo) -> None:
        """
        Make the folder and take the name; the file is begun by the first frame.

        Raises:
            SinkError: the file exists, or cannot be written.
        """
        make_folder(self._path.parent)
        self._fps = info.fps
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

    def write(self, frame: Frame, matte: Matte) -> None:
        """
        Encode one frame; both are borrowed until this returns.

        Raises:
            SinkError: it could not be written. The file holds every fragment before, and plays.
        """
        if self._failed:
            raise SinkError(f"{self._path}: an earlier write failed: open a new recording")
        picture = self._composer.compose(frame.image, matte.alpha)
        try:
            if self._film is None:
                self._film = _Film(
                    self._path, picture, frame.stamp.time_base, self._fps, self._options
                )
            self._film.add(picture, frame.stamp)
            self._bytes = self._path.stat().st_size
        except (av.FFmpegError, OSError, ValueError) as error:
            self._give_up()
            raise refusal(self._path, error) from error
        self._frames += 1
        self._seconds = self._film.seconds

    def close(self) -> None:
        """
        Finish the file; without a frame there is none. Twice is once.

        Raises:
            SinkError: it could not be finished. The file holds every fragment before, and plays.
        """
        film = self._film
        if film is None:
            if self._made:
                self._made = False
                with suppress(OSError):
                    self._path.unlink()
            return
        try:
            film.finish()
            self._film = None
            self._bytes = self._path.stat().st_size
        except (av.FFmpegError, OSError, ValueError) as error:
            self._give_up()
            raise refusal(self._path, error) from error

    def statistics(self) -> dict[str, Any]:
        """`{type, path, frames, bytes, seconds}`; seconds of film. Thread-safe."""
        return {
            "type": self.name,
            "path": str(self._path),
            "frames": self._frames,
            "bytes": self._bytes,
            "seconds": round(self._seconds, 6),
        }

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


class _Film:
    """An open MP4 with its encoder. Raises what PyAV raises."""

    def __init__(
        self,
        path: Path,
        picture: Image,
        time_base: Fraction,
        fps: Fraction | None,
        options: dict[str, str],
    ) -> None:
        height, width = picture.shape[:2]
        self._size = (width, height)
        self._timeline = Timeline(time_base, fps)
        self._canvas = VideoFrame(width + width % 2, height + height % 2, "bgr24")
        self._reformatter = VideoReformatter()
        self._pixels = _pixels(self._canvas)
        self._pixels[:] = 0
        self._drawn = self._size
        self._next_key_s: Fraction | None = None
        self._container: OutputContainer = av.open(
            f"file:{path}", "w", format="mp4", options=_MUXER
        )
        self._stream: VideoStream = self._container.add_stream(
            "libx264", rate=fps or _NOMINAL_FPS, options=options
        )
        self._stream.time_base = time_base
        encoder = self._stream.codec_context
        encoder.width = self._canvas.width
        encoder.height = self._canvas.height
        encoder.pix_fmt = "yuv420p"
        encoder.time_base = time_base
        encoder.max_b_frames = 0
        encoder.gop_size = 100_000  # key frames are set by time
        encoder.colorspace = encoder.color_primaries = encoder.color_trc = _BT709
        encoder.color_range = int(ColorRange.MPEG)

    @property
    def seconds(self) -> float:
        """From the first frame's beginning to the last one's end."""
        return self._timeline.seconds

    def add(self, picture: Image, stamp: Stamp) -> None:
        """Encode and write one picture."""
        self._draw(picture)
        frame = self._reformatter.reformat(
            self._canvas,
            format="yuv420p",
            dst_colorspace=Colorspace.ITU709,
            src_color_range=ColorRange.JPEG,
            dst_color_range=ColorRange.MPEG,
            # Without it neutral grey gets a tint, and the mask's white is 250.
            interpolation=Interpolation.BILINEAR | Interpolation.ACCURATE_RND,
        )
        frame.pts = self._timeline.place(stamp)
        frame.time_base = self._timeline.time_base
        frame.duration = self._timeline.step
        second = frame.pts * self._timeline.time_base
        if self._next_key_s is None or second >= self._next_key_s:
            frame.pict_type = PictureType.I
            self._next_key_s = second + _FRAGMENT_S
        for packet in self._stream.encode(frame):
            self._container.mux(packet)

    def finish(self) -> None:
        """Write what the encoder still holds, and the end."""
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()

    def abandon(self) -> None:
        """Close the file, whatever becomes of its end."""
        with suppress(av.FFmpegError, OSError, ValueError):
            self._container.close()

    def _draw(self, picture: Image) -> None:
        height, width = picture.shape[:2]
        if (width, height) != self._drawn:
            self._pixels[:] = 0
            self._drawn = (width, height)
        if (width, height) == self._size:
            np.copyto(self._pixels[:height, :width], picture)
            return
        rows, columns = self._pixels.shape[:2]
        scale = min(columns / width, rows / height)
        inner_width = max(1, min(columns, round(width * scale)))
        inner_height = max(1, min(rows, round(height * scale)))
        left, top = (columns - inner_width) // 2, (rows - inner_height) // 2
        cv2.resize(
            picture,
            (inner_width, inner_height),
            dst=self._pixels[top : top + inner_height, left : left + inner_width],
            interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR,
        )


def _pixels(frame: VideoFrame) -> Image:
    """A (H, W, 3) view of a bgr24 frame's own memory, whose rows may be padded."""
    plane = frame.planes[0]
    return np.ndarray(
        (frame.height, frame.width, 3),
        np.uint8,
        buffer=memoryview(plane),
        strides=(plane.line_size, 3, 1),
    )
