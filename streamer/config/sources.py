"""Options of the sources: names, defaults and limits."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from streamer.config.data import Data
from streamer.config.limits import COUNT, DAY_S, LONGEST_S, MOST_PIXELS, Pause, Rate, Side
from streamer.config.stream_urls import LocalPath, check_stream_url, scheme_of

PICTURE_SUFFIXES = frozenset(
    {
        *(".avif", ".bmp", ".gif", ".heic", ".heif", ".hif", ".jfif", ".jp2", ".jpe", ".jpeg"),
        *(".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
    }
)
"""Suffixes of pictures in a folder; a file that is named is read whatever its suffix."""


def _unswitched(value: Any) -> Any:
    """Undo that YAML reads a bare `on` or `off` as a truth value."""
    return ("on" if value else "off") if isinstance(value, bool) else value


_Deinterlace = Literal["auto", "on", "off"]
Deinterlace = Annotated[
    _Deinterlace, BeforeValidator(_unswitched, json_schema_input_type=_Deinterlace)
]

PictureOrder = Literal["name", "reverse", "time", "random"]

UNREAD_SUFFIXES = frozenset(
    {
        *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dcr", ".dng", ".erf", ".fff", ".iiq", ".jxl"),
        *(".k25", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".rw2"),
        *(".rwl", ".sr2", ".srf", ".srw", ".x3f"),
    }
)
"""Suffixes of photographs that are not read: raw files, of which a TIFF reader would show only a
thumbnail, and JPEG XL."""


class ReconnectConfig(Data):
    """What happens when a live source cannot be opened, is lost, or falls silent."""

    max_attempts: int | None = Field(None, ge=0, le=COUNT)
    """Failed attempts in a row that end the run; 0: no retry, absent: no limit."""
    first_s: Pause = 1.0
    """Seconds before the first new attempt; doubled before each further one."""
    max_s: Pause = 30.0
    """Longest wait in seconds; used at once after a refusal that will hardly pass by itself."""
    healthy_s: float = Field(10.0, ge=0, le=DAY_S)
    """Seconds of frames after which a connection is sound: waits start at `first_s` again."""
    stall_s: Pause = 5.0
    """Seconds without a frame after which a connection is given up."""

    @model_validator(mode="after")
    def _grows(self) -> ReconnectConfig:
        if self.max_s < self.first_s:
            raise ValueError("max_s is below first_s: the waiting can only grow")
        return self

    def check_pace(self, max_fps: float | None) -> None:
        """Raise ValueError if *max_fps* is so low that it would be taken for a stall."""
        if max_fps is not None and 2 / max_fps > self.stall_s:
            raise ValueError(
                f"max_fps {max_fps:g}: so rare frames look like a stall: "
                f"give reconnect.stall_s {2 / max_fps:g} or more"
            )


_Index = Annotated[int, Field(ge=0, le=1000)]


def _index_in_quotes(device: Any) -> Any:
    """Turn a text of digits, as from a command line or the environment, into an index."""
    is_index = isinstance(device, str) and device.isascii() and device.isdigit()
    return int(device[:10]) if is_index else device


class SourceBase(Data):
    """What all sources have."""

    MADE_BY: ClassVar[str]
    """`module:name` of the class or function that makes the source from its configuration."""
    RECONNECTS: ClassVar[bool] = False
    """The source may be away; it is then tried again as its `reconnect` says."""
    ON_DISK: ClassVar[bool] = False
    """It can be opened as a test before anything else is done."""
    APART: ClassVar[bool] = False
    """Its pictures are unrelated to each other."""
    LIVE_KEYS: ClassVar[frozenset[str]] = frozenset()
    """Settings that may be changed while it runs, by `AdjustableSource.adjust`."""

    type: str

    @property
    def is_live(self) -> bool:
        """Whether late frames are dropped instead of waiting."""
        return self.RECONNECTS or bool(getattr(self, "realtime", False))


class UsbSourceConfig(SourceBase):
    """A camera on this machine."""

    MADE_BY = "streamer.sources.usb:UsbSource"
    RECONNECTS = True

    type: Literal["usb"]
    device: Annotated[
        _Index | str, BeforeValidator(_index_in_quotes, json_schema_input_type=_Index | str)
    ] = 0
    """Index, device path (`/dev/video0`) or part of the name that `streamer cameras` lists. After
    one was unplugged, an index may mean another camera; a name, or a path in `/dev/v4l/by-id`, does
    not."""
    width: Side | None = None
    """Pixels; the driver's own choice when absent."""
    height: Side | None = None
    """Pixels; the driver's own choice when absent."""
    fps: Rate | None = None
    """Frames per second; the driver's own choice when absent."""
    fourcc: str | None = Field("MJPG", min_length=4, max_length=4)
    """Pixel format to ask for; most cameras reach their full rate only with MJPG."""
    max_fps: Rate | None = None
    """At most so many frames per second, whatever the driver gives; others are skipped."""
    reconnect: ReconnectConfig = ReconnectConfig()

    @model_validator(mode="after")
    def _slow_is_no_stall(self) -> UsbSourceConfig:
        self.reconnect.check_pace(self.max_fps)
        return self


class RtspSourceConfig(SourceBase):
    """A camera or server on the network: RTSP, or MJPEG, MPEG-TS, FLV or HLS over HTTP."""

    MADE_BY = "streamer.sources.network:RtspSource"
    RECONNECTS = True

    type: Literal["rtsp"]
    url: SecretStr
    """`rtsp://[user:password@]host[:port]/path` or `http://…`; for TLS `rtsps://…` or `https://…`.
    Never printed with its credentials."""
    username: SecretStr | None = None
    """User name, if it is not in the URL; nothing needs to be percent-encoded here."""
    password: SecretStr | None = None
    """Password, if it is not in the URL; nothing needs to be percent-encoded here."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How the media of RTSP travels."""
    tls_verify: bool = True
    """Whether the certificate of an `rtsps://` or `https://` server must be trusted."""
    tls_ca: str | None = None
    """A PEM file with the authorities to trust; the system's own when absent."""
    open_timeout_s: float = Field(4.5, ge=0.001, le=4.5)
    """Seconds to wait for each of the two answers that opening needs; opening ends within 10 s."""
    read_timeout_s: float = Field(5.0, ge=0.001, le=600)
    """Seconds without video after which the stream counts as lost; a stream that announces a low
    rate has at least the time of three frames."""
    audio: bool = True
    """Pass its sound on to recordings and relays."""
    deinterlace: Deinterlace = "auto"
    """Deinterlace frames: `auto` those that are flagged as interlaced, `on` all."""
    max_fps: Rate | None = None
    """At most so many frames per second; others are skipped."""
    reconnect: ReconnectConfig = ReconnectConfig()

    @field_validator("url")
    @classmethod
    def _is_a_stream(cls, url: SecretStr) -> SecretStr:
        check_stream_url(url.get_secret_value().strip())
        return url

    @model_validator(mode="after")
    def _one_place_for_credentials(self) -> RtspSourceConfig:
        authority = self.url.get_secret_value().partition("://")[2].partition("/")[0]
        if self.username is None and self.password is not None:
            raise ValueError("password is without its username")
        if self.username is not None and "@" in authority:
            raise ValueError("username is in the URL too: write it in one place")
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> RtspSourceConfig:
        scheme = scheme_of(self.url.get_secret_value().strip())
        if self.transport == "udp" and scheme == "rtsps":
            raise ValueError("transport udp would send the media of rtsps:// in clear: write tcp")
        if self.transport == "udp" and scheme != "rtsp":
            raise ValueError(f"transport udp is for rtsp://: {scheme}:// has tcp")
        return self

    @model_validator(mode="after")
    def _slow_is_no_stall(self) -> RtspSourceConfig:
        self.reconnect.check_pace(self.max_fps)
        return self


class FileSourceConfig(SourceBase):
    """A video file, in any container and codec that FFmpeg reads."""

    MADE_BY = "streamer.sources.file:FileSource"
    ON_DISK = True
    LIVE_KEYS = frozenset({"loop"})

    type: Literal["file"]
    path: LocalPath
    """The video."""
    loop: bool = False
    """Start again at the end; the timestamps go on."""
    realtime: bool = False
    """Deliver at the timestamps' pace, and behave as a live source: late frames are dropped."""
    fps: Rate | None = None
    """At most so many frames per second of the file's time; others are skipped."""
    start_s: float = Field(0.0, ge=0, le=LONGEST_S)
    """Where to begin, in seconds from the first frame."""
    duration_s: float | None = Field(None, ge=0.001, le=LONGEST_S)
    """How much to read, in seconds of the file's time; all when absent. With `loop` that part is
    repeated for ever: `--for` ends a run."""
    speed: float = Field(1.0, ge=0.001, le=1000)
    """Timestamps are divided by it: 2 plays twice as fast. Other than at 1 there is no sound."""
    audio: bool = True
    """Pass its sound on to recordings and relays."""
    deinterlace: Deinterlace = "auto"
    """Deinterlace frames: `auto` those that are flagged as interlaced, `on` all."""


class ImagesSourceConfig(SourceBase):
    """A picture, a folder of pictures or a glob."""

    MADE_BY = "streamer.sources.images:ImagesSource"
    ON_DISK = True
    APART = True
    LIVE_KEYS = frozenset({"order", "seed", "loop"})

    type: Literal["images"]
    path: LocalPath
    """A file, a folder, or a pattern such as `shots/*.png`."""
    order: PictureOrder = "name"
    """`name`: in natural order; `reverse`: that reversed; `time`: by time of change; `random`: anew
    in each round."""
    seed: int = Field(0, ge=0, le=COUNT)
    """Seed of the random order: the same seed gives the same order."""
    fps: Rate = 25.0
    """Frames per second that the pictures are stamped with."""
    loop: bool = False
    """Start again after the last picture; the timestamps go on."""
    realtime: bool = False
    """Deliver at that pace, and behave as a live source: late frames are dropped."""


class SyntheticSourceConfig(SourceBase):
    """A generated subject that moves over a generated background; its alpha is known exactly."""

    MADE_BY = "streamer.sources.synthetic:SyntheticSource"

    type: Literal["synthetic"]
    width: int = Field(1280, ge=16, le=16384)
    """Pixels."""
    height: int = Field(720, ge=16, le=16384)
    """Pixels."""
    fps: Rate = 30.0
    """Frames per second."""
    frames: int | None = Field(None, ge=1, le=COUNT)
    """Number of frames; without end when absent."""
    seed: int = Field(0, ge=0, le=COUNT)
    """The same seed gives the same pictures."""
    realtime: bool = False
    """Deliver at the pace of `fps`, and behave as a live source: late frames are dropped."""

    @model_validator(mode="after")
    def _fits_into_memory(self) -> SyntheticSourceConfig:
        if self.width * self.height > MOST_PIXELS:
            raise ValueError(
                f"width {self.width} times height {self.height} is over {MOST_PIXELS} pixels"
            )
        return self


SourceConfig = Annotated[
    UsbSourceConfig
    | RtspSourceConfig
    | FileSourceConfig
    | ImagesSourceConfig
    | SyntheticSourceConfig,
    Field(discriminator="type"),
]
