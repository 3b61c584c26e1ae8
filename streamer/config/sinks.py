"""Where mattes go: names, defaults and limits."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator, model_validator

from streamer.config.addresses import ServeAddress
from streamer.config.data import Data

Panel = Literal["source", "cutout", "mask", "alpha", "composite"]
Layout = Literal["side_by_side", "source", "cutout", "mask", "alpha", "composite"]


class _LayoutConfig(Data):
    layout: Layout = "side_by_side"
    """`side_by_side`, or one panel's name."""
    panels: list[Panel] = Field(default=["cutout", "mask"], min_length=1)
    """What stands side by side, from the left."""


class DisplaySinkConfig(_LayoutConfig):
    """A window. Keys: q or Esc quits, space pauses, m next view, s snapshot, h overlay."""

    type: Literal["display"]
    title: str = "streamer"
    overlay: bool = True
    """Frames per second and latency in the corner."""
    snapshots: str = "out"
    """Folder for snapshots."""


class RecordSinkConfig(_LayoutConfig):
    """A video file: H.264 in fragmented MP4, with the source's own timestamps."""

    type: Literal["record"]
    path: str
    """`{stream}` and `{start:%Y%m%d-%H%M%S}` are filled in."""
    crf: int = Field(20, ge=0, le=51)
    """x264's constant rate factor: 0 best and largest, 51 worst."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow"] = (
        "veryfast"
    )
    """x264's speed against size."""
    resize: Literal["scale", "new_file"] = "scale"
    """When the source's size changes: scaled into the first one's, or a new file, `clip-2.mp4`."""
    overwrite: bool = False
    """Replace a file of that name instead of refusing."""


class ImagesSinkConfig(Data):
    """A folder of pictures."""

    type: Literal["images"]
    path: str
    """Folder; made when missing. `{stream}` and `{start:…}` are filled in."""
    layout: Layout = "cutout"
    """`side_by_side`, or one panel's name."""
    panels: list[Panel] = Field(default=["cutout", "mask"], min_length=1)
    """What stands side by side, from the left."""
    format: Literal["png", "jpeg"] = "png"
    quality: int = Field(95, ge=1, le=100)
    """JPEG's quality."""
    names: Literal["index", "timestamp"] = "index"
    """`00000012.png`, or the wall clock's time in UTC: `20260131-120000-040000.png`."""
    limit: int | None = Field(None, ge=1)
    """Keep so many of the files written, and delete the oldest; never another's file."""


class DiscardSinkConfig(_LayoutConfig):
    """Composes and throws away: for measuring."""

    type: Literal["discard"]


class RtspSinkConfig(_LayoutConfig):
    """A relay: a stream that others watch, served here or published to a media server."""

    type: Literal["rtsp"]
    serve: SecretStr | None = None
    """`rtsp://[user:password@]host[:port]/path` to serve at; `rtsps://` with a certificate."""
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
    encoder: Literal["auto", "software", "nvenc", "videotoolbox"] = "auto"
    """`auto` takes hardware that proves itself by encoding a frame, else x264 or x265."""
    preset: Literal["ultrafast", "superfast", "veryfast", "faster", "fast", "medium"] = "veryfast"
    """Speed against size, in software."""
    quality: int = Field(23, ge=0, le=51)
    """Constant rate factor: 0 best and largest, 51 worst."""
    bitrate_kbps: int | None = Field(None, ge=10)
    """A bit rate instead of a quality."""
    gop_s: float = Field(1.0, gt=0, le=60)
    """Seconds between key frames at most; a viewer who joins gets one at once."""

    @field_validator("serve")
    @classmethod
    def _is_an_address(cls, serve: SecretStr | None) -> SecretStr | None:
        if serve is not None:
            ServeAddress.parse(serve.get_secret_value())
        return serve

    @model_validator(mode="after")
    def _one_way_out(self) -> RtspSinkConfig:
        if (self.serve is None) == (self.publish is None):
            raise ValueError("give either serve or publish; for both, write two sinks")
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
    DisplaySinkConfig | RecordSinkConfig | RtspSinkConfig | ImagesSinkConfig | DiscardSinkConfig,
    Field(discriminator="type"),
]
