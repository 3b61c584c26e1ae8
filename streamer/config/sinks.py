"""Where mattes go: names, defaults and limits."""

from __future__ import annotations

from datetime import datetime
from pathlib import PurePath
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, SecretStr, field_validator, model_validator

from streamer.config.addresses import ServeAddress
from streamer.config.data import Data
from streamer.config.limits import COUNT, LONGEST_S, Pause, Rate
from streamer.config.paths import fill_path
from streamer.config.video_files import CODECS_OF, WITH_CRF, VideoFileCodec, codec_of, holds_alpha

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
"""Pixels of a tile; sixteen of the largest are what fits into memory."""


def _fills(template: str) -> str:
    """Refuse a path that could not be filled in when its time comes."""
    fill_path(template, stream="stream", start=datetime.now())
    return template


Template = Annotated[str, AfterValidator(_fills)]
"""A path with `{stream}` and `{start…}`."""


class LayoutConfig(Data):
    """What a picture shows, and where."""

    layout: Layout = "side_by_side"
    """`side_by_side`; `stack`, one under the other; `grid`; or one panel's name."""
    panels: list[Panel] = Field(default=["cutout", "mask"], min_length=1, max_length=16)
    """What it shows, from the left or the top, in a grid row by row."""
    columns: int | None = Field(None, ge=1, le=16)
    """Of a grid; as many as make it nearest to square when absent."""
    tile: tuple[_Side, _Side] | None = None
    """[width, height] in pixels of each panel, its picture scaled into it with its shape kept; the
    frame's own size when absent."""
    labels: bool = False
    """Each panel's name in its corner; of one panel alone too."""

    @property
    def without_alpha(self) -> str | None:
        """Which option leaves no place for an alpha, and the way out; None for all that show it."""
        return None


class SinkBase(LayoutConfig):
    """What all sinks have."""

    MADE_BY: ClassVar[str]
    """`module:name` of the maker; see `streamer.sinks.Making`."""

    type: str


class DisplaySinkConfig(SinkBase):
    """A window; the key h shows what the others do."""

    MADE_BY = "streamer.control.window.display:make"

    type: Literal["display"]
    title: str = "streamer"
    """Of the window."""
    overlay: bool = True
    """Frames per second and latency in the corner."""
    snapshots: str = "out"
    """Folder for snapshots."""


class RecordSinkConfig(SinkBase):
    """A video file, at the source's own pace from 0 on, with its audio."""

    MADE_BY = "streamer.sinks.recording.switched:make"

    type: Literal["record"]
    path: Template
    """`{stream}` and `{start:%Y%m%d-%H%M%S}` are filled in."""
    codec: Literal["auto"] | VideoFileCodec = "auto"
    """`auto` goes by the path: .mp4 h264, .mov prores4444, .webm vp9, .mkv ffv1, .webp webp, .gif
    gif. All but h264, and av1 in .mp4, hold an alpha, for a cutout that is `rgba` and a composite
    that is `transparent`."""
    crf: int | None = Field(None, ge=0, le=63)
    """Constant rate factor of h264 (to 51), vp9 and av1: 0 best and largest. When absent 20; of vp9
    with an alpha 0, for what is more puts hard edges of the alpha off. That of av1 has its own."""
    preset: Literal[
        "auto", "ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"
    ] = "auto"
    """h264's speed against size. `auto` is `ultrafast` for a live stream on four cores or fewer,
    where another would cost frames; else `veryfast`."""
    resize: Literal["scale", "new_file"] = "scale"
    """When the source's size changes: scaled into the first one's, or a new file, `clip-2.mp4`."""
    overwrite: bool = False
    """Replace a file of that name instead of refusing; never one that the stream reads, or that
    another run records into."""
    from_start: bool = True
    """Record from the first frame on; else when `Pipeline.record` or the preview's key v says so.
    Each time that it is switched on begins a file: `clip.mp4`, then `clip-2.mp4`."""

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
        if holds_alpha(suffix, codec):
            return None
        here = [held for held in CODECS_OF[suffix] if holds_alpha(suffix, held)]
        if here:
            return f"codec: {codec} holds no alpha: take {' or '.join(here)}"
        others = [other for other, held in CODECS_OF.items() if codec in held]
        others = [other for other in others if holds_alpha(other, codec)]
        way_out = "name the file"
        if self.codec == "auto" or not others:
            others = [other for other, held in CODECS_OF.items() if holds_alpha(other, held[0])]
            way_out = way_out if self.codec == "auto" else f"leave it out and {way_out}"
        return f"codec: {codec} holds no alpha in {suffix}: {way_out} {' or '.join(others)}"


class ImagesSinkConfig(SinkBase):
    """A folder of pictures: of every frame, or of some."""

    MADE_BY = "streamer.sinks.folder.images:make"

    type: Literal["images"]
    path: Template
    """Folder; made when missing. `{stream}` and `{start:…}` are filled in."""
    layout: Layout = "cutout"
    """`side_by_side`; `stack`, one under the other; `grid`; or one panel's name."""
    format: Literal["png", "jpeg", "webp"] = "png"
    """Of the files; jpeg holds no alpha."""
    quality: int = Field(95, ge=1, le=100)
    """JPEG's and WebP's; WebP at 100 is lossless."""
    when: Literal["every_frame", "interval", "trigger", "subject"] = "every_frame"
    """Which frames: each; one every `every_s`; the next after `Pipeline.trigger()` or the preview's
    key `i`; or the one where a subject appears, after none was there for `absent_s`."""
    every_s: float | None = Field(None, gt=0, le=LONGEST_S)
    """Seconds of the stream's time from one picture to the next, for `interval`."""
    subject_share: float = Field(0.005, gt=0, lt=1)
    """For `subject`: the share of the frame that the mask must cover to count as one."""
    absent_s: float = Field(1.0, ge=0, le=LONGEST_S)
    """For `subject`: seconds without one before the next appears."""
    names: Literal["index", "timestamp"] = "index"
    """`00000012.png`, or the wall clock's time in UTC: `20260131-120000-040000.png`."""
    limit: int | None = Field(None, ge=1, le=COUNT)
    """Keep so many of the files written, and delete the oldest; never another's file."""
    limit_mb: float | None = Field(None, gt=0, le=COUNT)
    """Likewise, so many megabytes of them."""
    limit_age_s: float | None = Field(None, gt=0, le=LONGEST_S)
    """Likewise, those of the last so many seconds."""

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
    """`-` for stdout, on which nothing else is then written; or a named pipe that is there."""
    format: Literal["rgba", "bgr", "gray", "y4m"] = "bgr"
    """8 bits a channel: `rgba` with straight alpha, of a cutout or a transparent composite; `bgr`;
    `gray`, of mask or alpha; or `y4m`, 4:2:0 with its size and rate told at the start."""
    fps_mode: Literal["cfr", "passthrough"] = "cfr"
    """`cfr`: at the source's rate, with pictures repeated and left out in step with its clock;
    `passthrough`: each picture once, whatever its time."""
    wait_s: Pause = 5.0
    """Seconds to wait for a reader: until one opens the named pipe, and while one takes nothing.
    Then the run fails; `pipeline.stall_s` should be more."""

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
    """A camera that other programs can choose, by pyvirtualcam (`[virtual-camera]`)."""

    MADE_BY = "streamer.sinks.virtual_camera:make"

    type: Literal["virtual_camera"]
    layout: Layout = "composite"
    """`side_by_side`; `stack`, one under the other; `grid`; or one panel's name."""
    device: str | None = None
    """Such as `/dev/video10`; the first that is free when absent."""
    fps: Rate | None = None
    """What the camera says of itself; the source's rate when absent."""


class DiscardSinkConfig(SinkBase):
    """Composes and throws away: for measuring."""

    MADE_BY = "streamer.sinks.discard:make"

    type: Literal["discard"]


class RtspSinkConfig(SinkBase):
    """A relay: a stream that others watch, served here or published to a media server."""

    MADE_BY = "streamer.sinks.relaying.relay:make"

    type: Literal["rtsp"]
    serve: SecretStr | None = None
    """`rtsp://[user:password@]host[:port]/path` to serve at; `rtsps://` with a certificate. With
    `publish` as well, both have the same packets, encoded once."""
    publish: SecretStr | None = None
    """The URL at a server that is there already: `rtsp://`, `rtsps://`, `rtmp://`, `rtmps://`,
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
    """Whether the certificate of an `rtsps://` server that is published to must be trusted. Those
    of `rtmps://` and `whip+https://` FFmpeg cannot verify: a warning says so, unless false."""
    tls_ca: str | None = None
    """A PEM file with the authorities to trust for `rtsps://`; the system's own when absent."""
    codec: Literal["h264", "h265"] = "h264"
    """Of the video."""
    encoder: Literal["auto", "software", "nvenc", "videotoolbox"] = "auto"
    """`auto` takes hardware that proves itself by encoding a frame, else x264 or x265."""
    preset: Literal["auto", "ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = (
        "auto"
    )
    """Speed against size, in software. `auto` is `ultrafast` on four cores or fewer, else
    `veryfast`."""
    quality: int = Field(23, ge=0, le=51)
    """Constant rate factor: 0 best and largest, 51 worst."""
    bitrate_kbps: int | None = Field(None, ge=10, le=1_000_000)
    """A bit rate instead of a quality."""
    gop_s: float = Field(1.0, ge=0.001, le=60)
    """Seconds between key frames at most; a viewer who joins gets one at once."""

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


SinkConfig = Annotated[
    DisplaySinkConfig
    | RecordSinkConfig
    | RtspSinkConfig
    | ImagesSinkConfig
    | PipeSinkConfig
    | VirtualCameraSinkConfig
    | DiscardSinkConfig,
    Field(discriminator="type"),
]
