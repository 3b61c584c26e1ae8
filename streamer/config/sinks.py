"""Options of the sinks: names, defaults and limits."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from streamer.config.addresses import ServeAddress
from streamer.config.data import Data
from streamer.config.limits import COUNT, LONGEST_S, Pause, Rate
from streamer.config.paths import fill_path
from streamer.config.video_files import CODECS_OF, WITH_CRF, WITHOUT_ALPHA, VideoFileCodec, codec_of

Panel = Literal["source", "cutout", "mask", "alpha", "composite", "overlay"]
Layout = Literal[
    "side_by_side",
    "stack",
    "grid",
    "source",
    "cutout",
    "mask",
    "alpha",
    "composite",
    "overlay",
]


_Side = Annotated[int, Field(ge=16, le=4096)]
"""Pixels of a tile's side; sixteen tiles of the largest size still fit into memory."""


def _fills(template: str) -> str:
    """Refuse a path that could not be filled in later."""
    fill_path(template, stream="stream", start=datetime.now())
    return template


Template = Annotated[str, AfterValidator(_fills)]
"""A path with `{stream}` and `{start…}`."""


class LayoutConfig(Data):
    """What a picture shows, and where."""

    layout: Layout = "side_by_side"
    """Panels `side_by_side`, in a `stack` (one under the other) or `grid`; or one panel's name."""
    panels: list[Panel] = Field(default=["cutout", "mask"], min_length=1, max_length=16)
    """The panels to show, from the left or the top; in a grid row by row."""
    columns: int | None = Field(None, ge=1, le=16)
    """Columns of a grid; when absent, as many as make it nearest to square."""
    tile: tuple[_Side, _Side] | None = None
    """[width, height] of each panel in pixels; pictures are scaled to fit, their shape kept.
    When absent, the frame's own size."""
    labels: bool = False
    """Write each panel's name in its corner, even of a single panel."""

    @property
    def without_alpha(self) -> str | None:
        """The option that rules out an alpha, with the way out; None if an alpha can be shown."""
        return None


class SinkBase(LayoutConfig):
    """What all sinks have."""

    MADE_BY: ClassVar[str]
    """`module:name` of the maker; see `streamer.sinks.Making`."""

    type: str


class DisplaySinkConfig(SinkBase):
    """A window; its key h explains the others."""

    MADE_BY = "streamer.control.window.display:make"

    type: Literal["display"]
    title: str = "streamer"
    """Title of the window."""
    overlay: bool = True
    """Show frames per second and latency in the corner."""
    snapshots: str = "out"
    """Folder for snapshots."""


class RecordSinkConfig(SinkBase):
    """A video file with the source's timing, starting at 0, and its audio."""

    MADE_BY = "streamer.sinks.recording.switched:make"

    type: Literal["record"]
    path: Template
    """`{stream}` and `{start:%Y%m%d-%H%M%S}` are filled in."""
    codec: Literal["auto"] | VideoFileCodec = "auto"
    """`auto` goes by the suffix: .mp4 h264, .mov prores4444, .webm vp9, .mkv ffv1, .webp webp, .gif
    gif. All but h264 and av1 hold the alpha of an `rgba` cutout or a `transparent` composite."""
    crf: int | None = Field(None, ge=0, le=63)
    """Constant rate factor of h264 (to 51), vp9 and av1: 0 is best and largest. When absent 20, but
    0 for vp9 with an alpha, whose hard edges suffer from more."""
    preset: Literal[
        "auto", "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"
    ] = "auto"
    """Speed against size of h264. `auto`: `ultrafast` for a live stream on four cores or fewer,
    where others would lose frames; else `veryfast`."""
    resize: Literal["scale", "new_file"] = "scale"
    """When the source's size changes: scale to the first size, or begin a file `clip-2.mp4`."""
    overwrite: bool = False
    """Replace a file of that name instead of refusing; never one that the stream reads, or that
    another run records into."""
    from_start: bool = True
    """Record from the first frame on; if false, only once `Pipeline.record` or the preview's key v
    switches it on. Each switch-on begins a file: `clip.mp4`, then `clip-2.mp4`."""

    @model_validator(mode="after")
    def _codec_goes_into_the_file(self) -> RecordSinkConfig:
        codec = codec_of(self.path, self.codec)
        if self.crf is not None and codec not in WITH_CRF:
            raise ValueError(f"crf: {codec} has none: leave it out")
        if codec == "h264" and (self.crf or 0) > 51:
            raise ValueError("crf: that of h264 goes up to 51")
        if codec != "h264" and self.preset != "auto":
            raise ValueError(f"preset: is h264's, and {self.path} is {codec}: leave it out")
        return self

    @property
    def without_alpha(self) -> str | None:
        """As `LayoutConfig.without_alpha`."""
        codec, suffix = codec_of(self.path, self.codec), PurePath(self.path).suffix.lower()
        if codec not in WITHOUT_ALPHA:
            return None
        here = [held for held in CODECS_OF[suffix] if held not in WITHOUT_ALPHA]
        if here:
            return f"codec: {codec} holds no alpha: take {' or '.join(here)}"
        others = [other for other, held in CODECS_OF.items() if held[0] not in WITHOUT_ALPHA]
        way_out = "name the file" if self.codec == "auto" else "leave it out and name the file"
        return f"codec: {codec} holds no alpha: {way_out} {' or '.join(others)}"


class ImagesSinkConfig(SinkBase):
    """A folder of pictures: of every frame, or of some."""

    MADE_BY = "streamer.sinks.folder.images:make"

    type: Literal["images"]
    path: Template
    """Folder; made when missing. `{stream}` and `{start:…}` are filled in."""
    layout: Layout = "cutout"
    """Panels `side_by_side`, in a `stack` (one under the other) or `grid`; or one panel's name."""
    format: Literal["png", "jpeg", "webp"] = "png"
    """Format of the files; jpeg holds no alpha."""
    quality: int = Field(95, ge=1, le=100)
    """Quality of JPEG and WebP; WebP at 100 is lossless."""
    when: Literal["every_frame", "interval", "trigger", "subject"] = "every_frame"
    """Which frames are written. `interval`: one every `every_s`; `trigger`: the next after
    `Pipeline.trigger()` or the preview's key `i`; `subject`: the one where a subject appears after
    none was there for `absent_s`."""
    every_s: float | None = Field(None, gt=0, le=LONGEST_S)
    """Seconds of the stream's time from one picture to the next, for `interval`."""
    subject_share: float = Field(0.005, gt=0, lt=1)
    """For `subject`: the share of the frame that the mask must cover to count as a subject."""
    absent_s: float = Field(1.0, ge=0, le=LONGEST_S)
    """For `subject`: seconds without a subject before the next one counts."""
    names: Literal["index", "timestamp"] = "index"
    """`00000012.png`, or the wall clock's time in UTC: `20260131-120000-040000.png`."""
    limit: int | None = Field(None, ge=1, le=COUNT)
    """Most files to keep of those written; the oldest are deleted, and never another's file."""
    limit_mb: float | None = Field(None, gt=0, le=COUNT)
    """Most megabytes to keep, in the same way."""
    limit_age_s: float | None = Field(None, gt=0, le=LONGEST_S)
    """Keep files for so many seconds, in the same way."""

    @model_validator(mode="after")
    def _interval_is_given(self) -> ImagesSinkConfig:
        if (self.when == "interval") != (self.every_s is not None):
            raise ValueError("when: interval goes with every_s, and every_s with it")
        return self

    @property
    def without_alpha(self) -> str | None:
        """As `LayoutConfig.without_alpha`."""
        return "format: jpeg holds no alpha: write png or webp" if self.format == "jpeg" else None


class PipeSinkConfig(SinkBase):
    """Raw pictures, one after the other, to stdout or a named pipe, for ffmpeg and others."""

    MADE_BY = "streamer.sinks.pipe:make"

    type: Literal["pipe"]
    path: str = "-"
    """`-` for stdout, where nothing else is written then; or an existing named pipe."""
    format: Literal["rgba", "bgr", "gray", "y4m"] = "bgr"
    """8 bits a channel. `rgba`: with straight alpha, for a cutout or transparent composite; `bgr`;
    `gray`: for mask or alpha; `y4m`: 4:2:0, with size and rate in a header."""
    fps_mode: Literal["cfr", "passthrough"] = "cfr"
    """`cfr`: constant, at the source's rate, with pictures repeated or left out to keep its time;
    `passthrough`: each picture once, whatever its time."""
    wait_s: Pause = 5.0
    """Seconds to wait for a reader: until one opens the named pipe, and while one reads nothing.
    Then the run fails. `pipeline.stall_s` should be more."""

    @model_validator(mode="after")
    def _grey_is_one_panel(self) -> PipeSinkConfig:
        if self.format == "gray" and self.layout not in ("mask", "alpha"):
            raise ValueError("format: gray is for layout: mask or alpha")
        return self

    @property
    def without_alpha(self) -> str | None:
        """As `LayoutConfig.without_alpha`."""
        if self.format == "rgba":
            return None
        return f"format: {self.format} holds no alpha: write rgba"


class VirtualCameraSinkConfig(SinkBase):
    """A virtual camera for other programs to choose; needs pyvirtualcam (`[virtual-camera]`)."""

    MADE_BY = "streamer.sinks.virtual_camera:make"

    type: Literal["virtual_camera"]
    layout: Layout = "composite"
    """Panels `side_by_side`, in a `stack` (one under the other) or `grid`; or one panel's name."""
    device: str | None = None
    """Device such as `/dev/video10`; the first free one when absent."""
    fps: Rate | None = None
    """Rate that the camera announces; the source's when absent."""


class DiscardSinkConfig(SinkBase):
    """Composes pictures and throws them away: for measuring."""

    MADE_BY = "streamer.sinks.discard:make"

    type: Literal["discard"]


class RtspSinkConfig(SinkBase):
    """A relay: a stream that others watch, served here or published to a media server."""

    MADE_BY = "streamer.sinks.relaying.relay:make"

    type: Literal["rtsp"]
    serve: SecretStr | None = None
    """Address to serve at: `rtsp://[user:password@]host[:port]/path`, or `rtsps://` with a
    certificate. With `publish` as well, both get the same packets, encoded once."""
    publish: SecretStr | None = None
    """URL to publish to, at an existing server: `rtsp://`, `rtsps://`, `rtmp://`, `rtmps://`,
    or `whip+https://`."""
    insecure: bool = False
    """Let other machines watch without a password."""
    certificate: str | None = None
    """PEM file for `rtsps://`: the certificate, then those that signed it."""
    private_key: str | None = None
    """PEM file for `rtsps://`, without a passphrase."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How published RTSP travels; viewers of a served stream choose for themselves."""
    tls_verify: bool = True
    """Whether the certificate of an `rtsps://` server that is published to must be trusted. FFmpeg
    cannot verify those of `rtmps://` and `whip+https://`: a warning says so, unless false."""
    tls_ca: str | None = None
    """A PEM file with the authorities to trust for `rtsps://`; the system's own when absent."""
    codec: Literal["h264", "h265"] = "h264"
    """Codec of the video."""
    encoder: Literal["auto", "software", "nvenc", "videotoolbox"] = "auto"
    """`auto` takes hardware that can encode a test frame, else x264 or x265."""
    preset: Literal["auto", "ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = (
        "auto"
    )
    """Speed against size of the software encoder. `auto`: `ultrafast` on four cores or fewer, else
    `veryfast`."""
    quality: int = Field(23, ge=0, le=51)
    """Constant rate factor: 0 best and largest, 51 worst."""
    bitrate_kbps: int | None = Field(None, ge=10, le=1_000_000)
    """A bit rate instead of `quality`."""
    gop_s: float = Field(1.0, ge=0.001, le=60)
    """Most seconds between key frames; a viewer who joins gets one at once."""

    @field_validator("serve")
    @classmethod
    def _is_an_address(cls, serve: SecretStr | None) -> SecretStr | None:
        if serve is not None:
            ServeAddress.parse(serve.get_secret_value())
        return serve

    @model_validator(mode="after")
    def _some_way_out(self) -> RtspSinkConfig:
        if self.serve is None and self.publish is None:
            raise ValueError("where to? give serve, publish or both")
        return self

    @model_validator(mode="after")
    def _served_with_care(self) -> RtspSinkConfig:
        if self.serve is None:
            return self
        address = ServeAddress.parse(self.serve.get_secret_value())
        if address.secure != (self.certificate is not None and self.private_key is not None):
            raise ValueError("serve: rtsps:// goes with certificate and private_key")
        if not (address.is_local or address.password or self.insecure):
            raise ValueError(
                f"serve: others could watch at {address.host} without a password: write "
                "user:password@ before the host, 127.0.0.1 as the host, or insecure: true"
            )
        return self


class PageSinkConfig(SinkBase):
    """Pictures for the page in the browser (`web`). Nothing is encoded while nobody watches."""

    MADE_BY = "streamer.sinks.page:make"

    type: Literal["page"]
    encoder: Literal["auto", "software", "nvenc", "videotoolbox"] = "auto"
    """As in a relay."""
    quality: int = Field(26, ge=0, le=51)
    """Constant rate factor: 0 best and largest, 51 worst."""
    bitrate_kbps: int | None = Field(None, ge=10, le=1_000_000)
    """A bit rate instead of `quality`."""
    jpeg_quality: int = Field(80, ge=1, le=100)
    """Of the pictures for browsers that cannot play H.264."""


SinkConfig = Annotated[
    DisplaySinkConfig
    | RecordSinkConfig
    | RtspSinkConfig
    | ImagesSinkConfig
    | PipeSinkConfig
    | VirtualCameraSinkConfig
    | PageSinkConfig
    | DiscardSinkConfig,
    Field(discriminator="type"),
]
