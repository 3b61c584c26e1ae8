"""The configuration's models: names, defaults and limits. No behaviour beyond validation."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from streamer.config.addresses import ServeAddress

Panel = Literal["source", "cutout", "mask", "alpha", "composite"]
Layout = Literal["side_by_side", "source", "cutout", "mask", "alpha", "composite"]
Provider = Literal["tensorrt", "cuda", "coreml", "directml", "cpu"]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class ReconnectConfig(_Model):
    """What happens when a live source cannot be opened, is lost, or falls silent."""

    max_attempts: int | None = Field(None, ge=0)
    """Failed attempts in a row that end the run; 0 tries nothing again, absent goes on for ever."""
    first_s: float = Field(1.0, gt=0)
    """Seconds before the first new attempt; twice as many before each further one."""
    max_s: float = Field(30.0, gt=0)
    """Seconds between attempts at most, and after a refusal that will hardly change by itself."""
    healthy_s: float = Field(10.0, ge=0)
    """A connection that lasted so many seconds lets the waiting begin at `first_s` again."""
    stall_s: float = Field(5.0, gt=0)
    """Seconds without a frame after which a connection is given up."""

    @model_validator(mode="after")
    def _grows(self) -> ReconnectConfig:
        if self.max_s < self.first_s:
            raise ValueError("max_s is below first_s: the waiting can only grow")
        return self


class UsbSourceConfig(_Model):
    """A camera on this machine."""

    type: Literal["usb"]
    device: int | str = 0
    """Index, device path (`/dev/video0`) or part of the name that `streamer cameras` lists."""
    width: int | None = Field(None, ge=1)
    """Pixels; the driver's own choice when absent."""
    height: int | None = Field(None, ge=1)
    """Pixels; the driver's own choice when absent."""
    fps: float | None = Field(None, gt=0)
    """Frames per second; the driver's own choice when absent."""
    fourcc: str | None = Field("MJPG", min_length=4, max_length=4)
    """Pixel format to ask for; most cameras reach their full rate only with MJPG."""
    reconnect: ReconnectConfig = ReconnectConfig()


class RtspSourceConfig(_Model):
    """A camera or server that speaks RTSP."""

    type: Literal["rtsp"]
    url: SecretStr
    """`rtsp://[user:password@]host[:port]/path`, or `rtsps://…` for TLS; never printed with its
    credentials."""
    username: SecretStr | None = None
    """Instead of in the URL, and then as it is: nothing needs to be percent-encoded."""
    password: SecretStr | None = None
    """Likewise."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How the media travels."""
    tls_verify: bool = True
    """Whether the certificate of an `rtsps://` server must be trusted."""
    tls_ca: str | None = None
    """A PEM file with the authorities to trust; the system's own when absent."""
    open_timeout_s: float = Field(4.5, gt=0, le=4.5)
    """Seconds to wait for each of the two answers that opening needs: all within 10 s."""
    read_timeout_s: float = Field(5.0, gt=0, le=9)
    """Seconds without a frame after which the stream counts as lost."""
    audio: bool = True
    """Recordings and relays get its sound too, as it is."""
    reconnect: ReconnectConfig = ReconnectConfig()

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
        if self.transport == "udp" and self.url.get_secret_value().lower().startswith("rtsps:"):
            raise ValueError("transport udp would send the media of rtsps:// in clear: write tcp")
        return self


class FileSourceConfig(_Model):
    """A video file, in any container and codec that FFmpeg reads."""

    type: Literal["file"]
    path: str
    loop: bool = False
    """Start again at the end; the timestamps go on."""
    realtime: bool = False
    """Deliver at the pace of the timestamps, and behave as a live source: late frames drop."""
    fps: float | None = Field(None, gt=0)
    """At most so many frames per second of the file's time; others are skipped."""
    start_s: float = Field(0.0, ge=0)
    """Where to begin, in seconds from the first frame."""
    duration_s: float | None = Field(None, gt=0)
    """How much to read, in seconds of the file's time; all when absent."""
    speed: float = Field(1.0, gt=0)
    """2 plays twice as fast: the timestamps are divided by it, and there is no sound."""
    audio: bool = True
    """Recordings and relays get its sound too, as it is."""


class ImagesSourceConfig(_Model):
    """A picture, a folder of pictures (by name) or a glob."""

    type: Literal["images"]
    path: str
    fps: float = Field(25.0, gt=0)
    """Frames per second that the pictures are stamped with."""
    loop: bool = False
    """Start again after the last picture; the timestamps go on."""
    realtime: bool = False
    """Deliver at that pace, and behave as a live source: late frames drop."""


class SyntheticSourceConfig(_Model):
    """A generated subject that moves over a generated background; its alpha is known exactly."""

    type: Literal["synthetic"]
    width: int = Field(1280, ge=16)
    height: int = Field(720, ge=16)
    fps: float = Field(30.0, gt=0)
    frames: int | None = Field(None, ge=1)
    """How many; without end when absent."""
    seed: int = 0
    """The same seed gives the same pictures."""
    realtime: bool = False
    """Deliver at the pace of `fps`, and behave as a live source: late frames drop."""


SourceConfig = Annotated[
    UsbSourceConfig
    | RtspSourceConfig
    | FileSourceConfig
    | ImagesSourceConfig
    | SyntheticSourceConfig,
    Field(discriminator="type"),
]


class ContractConfig(_Model):
    """How a local ONNX file wants its input and means its output; absent: as RMBG-1.4."""

    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    """Subtracted from the RGB values in 0..1."""
    std: tuple[float, float, float] = (1.0, 1.0, 1.0)
    """Then divided by."""
    input: str | None = None
    """Name of the input; the graph's first when absent."""
    output: str | None = None
    """Name of the output; the graph's first when absent."""
    logits: bool = False
    """The output is before its sigmoid."""

    @field_validator("std")
    @classmethod
    def _not_zero(cls, std: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(std) <= 0:
            raise ValueError("must be positive")
        return std


class ModelConfig(_Model):
    """Which model, at which size, on what."""

    name: str = "rmbg-1.4"
    """A name that `streamer models list` shows, a path to an `.onnx` file, or `auto`:
    `rmbg-1.4` or, where that cannot be had, `isnet`."""
    precision: Literal["auto", "fp32", "fp16"] = "auto"
    """`auto` takes fp16 on a GPU and fp32 elsewhere, as far as the model has them."""
    input_size: int | None = Field(None, ge=32)
    """Side of the square network input in pixels, for graphs that allow it; the model's own."""
    providers: Literal["auto"] | list[Provider] = "auto"
    """Execution providers in order of preference; `auto` takes the best that loads. One that is
    named and does not load is an error."""
    threads: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    """Threads within an operator; `auto`: as many as there are cores for us."""
    normalize: bool = False
    """Stretch each alpha to its own minimum and maximum: for pictures, not for video."""
    contract: ContractConfig | None = None
    """For a local `.onnx` file only."""

    @field_validator("providers")
    @classmethod
    def _some(cls, providers: object) -> object:
        if providers == []:
            raise ValueError("names no provider: write `auto` or a list such as [cuda, cpu]")
        return providers

    @model_validator(mode="after")
    def _contract_is_for_a_file(self) -> ModelConfig:
        if self.contract is not None and not self.name.endswith(".onnx"):
            raise ValueError(
                "contract: is for a local .onnx file; registered models have their own"
            )
        return self


class MattingConfig(_Model):
    """How frames get their mattes."""

    mode: Literal["every_frame"] = "every_frame"
    """`every_frame`: the model runs on each."""


class RefineConfig(_Model):
    """What is done to the alpha."""

    threshold: float = Field(0.5, gt=0, le=1)
    """The mask is where alpha is at least this."""


class ComposeConfig(_Model):
    """What a cutout is."""

    cutout: Literal["rgb_on_black", "rgba"] = "rgb_on_black"
    """`rgb_on_black`: the foreground on black, black wherever the mask is; `rgba`: the colours
    with the soft alpha, where the format holds one."""
    background: str = Field("black", pattern=r"^(black|white|green|#[0-9A-Fa-f]{6})$")
    """What a composite stands on: `black`, `white`, `green` (of a green screen) or `#rrggbb`."""


class StandbyConfig(_Model):
    """What outputs show while a live source is away."""

    show: Literal["card", "black", "freeze"] = "card"
    """`card`: a grey picture with `text`; `freeze`: the last frame and its matte; or `black`."""
    text: str = Field("No signal", max_length=60, pattern=r"^[ -~]*$")
    """Plain ASCII; `{state}` is filled in with what the source is doing."""

    @field_validator("text")
    @classmethod
    def _only_state(cls, text: str) -> str:
        try:
            text.format(state="live")
        except (LookupError, ValueError, AttributeError) as error:
            raise ValueError("knows only {state}; write {{ and }} for braces") from error
        return text


class _LayoutConfig(_Model):
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


class ImagesSinkConfig(_Model):
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
    `srt://`, or `whip+https://`."""
    insecure: bool = False
    """Let other machines watch without a password."""
    certificate: str | None = None
    """PEM file for `rtsps://`: the certificate, then those that signed it."""
    private_key: str | None = None
    """PEM file for `rtsps://`, without a passphrase."""
    transport: Literal["tcp", "udp"] = "tcp"
    """How published RTSP travels; viewers of a served stream choose for themselves."""
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


class PipelineConfig(_Model):
    """The stages between source and sinks."""

    ring_capacity: int = Field(4, ge=1)
    """Frames that may wait for their matte."""
    sink_queue: int = Field(2, ge=1)
    """Mattes that may wait for each sink."""
    stall_s: float = Field(8.0, gt=0)
    """Seconds after which a sink that does not return, or a stage that does not stop, counts as
    stuck."""


class Config(_Model):
    """One stream, from its source to its sinks."""

    name: str = Field("stream", pattern=r"^[A-Za-z0-9._-]+$")
    """`{stream}` in the sinks' paths."""
    source: SourceConfig
    model: ModelConfig = ModelConfig()
    matting: MattingConfig = MattingConfig()
    refine: RefineConfig = RefineConfig()
    compose: ComposeConfig = ComposeConfig()
    standby: StandbyConfig = StandbyConfig()
    sinks: list[SinkConfig] = Field(min_length=1)
    pipeline: PipelineConfig = PipelineConfig()

    @model_validator(mode="after")
    def _one_window(self) -> Config:
        if sum(isinstance(sink, DisplaySinkConfig) for sink in self.sinks) > 1:
            raise ValueError("sinks: one display at most")
        return self

    @model_validator(mode="after")
    def _alpha_has_a_format(self) -> Config:
        for number, sink in enumerate(self.sinks):
            if (
                isinstance(sink, ImagesSinkConfig)
                and sink.format == "jpeg"
                and sink.layout == "cutout"
                and self.compose.cutout == "rgba"
            ):
                raise ValueError(
                    f"sinks.{number}.format: jpeg holds no alpha: "
                    "write png, or compose.cutout: rgb_on_black"
                )
        return self
