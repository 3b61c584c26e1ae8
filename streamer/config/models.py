"""The whole configuration, and the sections without a module of their own. Validation only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from streamer.config.backends import BackendOptions
from streamer.config.data import Data
from streamer.config.limits import Pause
from streamer.config.needs import NeedsConfig
from streamer.config.picture import ComposeConfig, RefineConfig
from streamer.config.preprocess import PreprocessConfig
from streamer.config.sinks import LayoutConfig, PipeSinkConfig, SinkConfig
from streamer.config.sources import SourceConfig
from streamer.config.together import check_together, pipes_to_stdout, placed

Provider = Literal["tensorrt", "cuda", "coreml", "directml", "cpu"]


_Mean = Annotated[float, Field(ge=-1000, le=1000)]
_Std = Annotated[float, Field(le=1000)]


class ContractConfig(Data):
    """The input and output of a local ONNX file; when absent, as those of RMBG-1.4."""

    mean: tuple[_Mean, _Mean, _Mean] = (0.5, 0.5, 0.5)
    """Subtracted from the RGB values in 0..1."""
    std: tuple[_Std, _Std, _Std] = (1.0, 1.0, 1.0)
    """What the values are then divided by."""
    input: str | None = None
    """Name of the input; the graph's first when absent."""
    output: str | None = None
    """Name of the output; the graph's first when absent."""
    logits: bool = False
    """Whether the output still needs a sigmoid."""

    @field_validator("std")
    @classmethod
    def _not_zero(cls, std: tuple[float, float, float]) -> tuple[float, float, float]:
        if min(std) <= 0:
            raise ValueError("must be positive")
        if min(std) < 1e-6:
            raise ValueError(f"{min(std):g} is not at least 1e-06")
        return std


class ModelConfig(Data):
    """Which model runs, at which size, and on which hardware."""

    name: str = "rmbg-1.4"
    """A name that `streamer models list` shows, a path to an `.onnx` file, or `auto`:
    `rmbg-1.4`, or `isnet` if that is not available."""
    precision: Literal["auto", "fp32", "fp16", "int8"] = "auto"
    """`auto`, as far as the model has them: fp16 on a GPU; on a CPU the int8 file that
    `streamer models optimize` made and proved, else fp32."""
    input_size: int | None = Field(None, ge=32, le=4096)
    """Side of the square network input in pixels, for graphs that allow it; when absent
    the model's own."""
    providers: Literal["auto"] | list[Provider] = "auto"
    """Execution providers in order of preference; `auto` takes the best that loads. A named
    one that does not load is an error."""
    threads: Literal["auto"] | Annotated[int, Field(ge=1, le=1024)] = "auto"
    """Threads within an operator. `auto`: one for each core that streamer may use; a quota such as
    that of `docker --cpus` lowers the number."""
    normalize: bool = False
    """Stretch each alpha to its own minimum and maximum: for pictures, not for video."""
    backend: Literal["auto", "onnxruntime", "openvino"] = "auto"
    """What runs the model. `auto`: onnxruntime; but for an int8 file on a CPU OpenVINO, which is
    faster, if it is installed and matting is not `tracked`. `openvino` is for the CPU only."""
    options: BackendOptions = BackendOptions()
    """Options for CUDA, TensorRT and OpenVINO."""
    contract: ContractConfig | None = None
    """Input and output of a local `.onnx` file; for no other model."""

    @field_validator("providers")
    @classmethod
    def _some(cls, providers: object) -> object:
        if providers == []:
            raise ValueError("names no provider: write `auto` or a list such as [cuda, cpu]")
        if isinstance(providers, list) and len(set(providers)) < len(providers):
            raise ValueError("names a provider twice")
        return providers

    @model_validator(mode="after")
    def _openvino_is_for_the_cpu(self) -> ModelConfig:
        if self.backend == "openvino" and self.providers not in ("auto", ["cpu"]):
            raise ValueError(
                "backend: openvino runs on the CPU: leave providers out, or write [cpu]"
            )
        return self

    @model_validator(mode="after")
    def _contract_is_for_a_file(self) -> ModelConfig:
        if self.contract is not None and not self.name.endswith(".onnx"):
            raise ValueError(
                "contract: is for a local .onnx file; registered models have their own"
            )
        return self


class MattingConfig(Data):
    """How frames get their mattes."""

    mode: Literal["auto", "every_frame", "tracked"] = "auto"
    """`every_frame`: the model runs on each frame; `rvm-mobilenetv3` needs this. `tracked`: it runs
    on key frames, cropped to the subject, and optical flow carries their mattes to the frames
    between. `auto`: `tracked` for a live stream if the model, once warmed up, is too slow for it;
    else `every_frame`."""
    effort: Literal["auto", "fast", "balanced", "best"] = "auto"
    """`tracked`: how finely and how often the model looks. `auto`: `balanced` for live streams and
    `best` for files."""
    max_interval: int = Field(12, ge=1, le=60)
    """`tracked`: most frames from one key frame to the next while something moves."""
    refresh_s: Pause = 2.0
    """`tracked`: seconds from one key frame to the next while nothing moves."""
    whole_s: Pause = 3.0
    """`tracked`: seconds after which the model looks at the whole frame again."""
    delay_frames: int = Field(0, ge=0, le=60)
    """`tracked`, live: frames by which the picture is delayed, so that mattes use the key frames
    before and after. Files wait, so theirs always use both."""


class StandbyConfig(Data):
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


class PipelineConfig(Data):
    """Queues and time limits between source and sinks."""

    ring_capacity: int = Field(4, ge=1, le=256)
    """Frames that may wait for their matte; each takes 4 bytes a pixel."""
    sink_queue: int = Field(4, ge=1, le=256)
    """Mattes that may wait, with their frames, for each sink; 4 bytes a pixel each as well."""
    stall_s: Pause = 8.0
    """Seconds after which a sink that does not return, or a stage that does not stop, counts as
    stuck."""


class Config(Data):
    """One stream, from its source to its sinks."""

    name: str = Field("stream", max_length=100, pattern=r"^[A-Za-z0-9._-]+$")
    """Name of the stream; it replaces `{stream}` in the paths of recordings and
    pictures, `serve` and `publish`."""
    source: SourceConfig
    """Where frames come from."""
    preprocess: PreprocessConfig = PreprocessConfig()
    model: ModelConfig = ModelConfig()
    matting: MattingConfig = MattingConfig()
    refine: RefineConfig = RefineConfig()
    compose: ComposeConfig = ComposeConfig()
    standby: StandbyConfig = StandbyConfig()
    sinks: list[SinkConfig] = Field(min_length=1, max_length=64)
    """Where mattes go: one output, or several at once."""
    pipeline: PipelineConfig = PipelineConfig()
    needs: NeedsConfig = NeedsConfig()

    @model_validator(mode="before")
    @classmethod
    def _named_in_addresses(cls, data: Any) -> Any:
        """Fill in `{stream}` in the addresses that sinks serve at or publish to."""
        if not isinstance(data, Mapping) or not isinstance(data.get("sinks"), list):
            return data
        name = str(data.get("name") or cls.model_fields["name"].default)
        return {**data, "sinks": [_addressed(sink, name) for sink in data["sinks"]]}

    @model_validator(mode="after")
    def _sinks_go_together(self) -> Config:
        check_together(placed({self.name: self}, alone=True), self.files_read)
        return self

    @property
    def files_read(self) -> tuple[str, ...]:
        """Paths of the files, or of the folder, that the stream reads."""
        used = (self.source, self.compose.background)
        return tuple(path for path in (getattr(part, "path", None) for part in used) if path)

    @property
    def owns_stdout(self) -> bool:
        """Whether a sink writes to stdout; nothing else must be printed there then."""
        return pipes_to_stdout(self.sinks) > 0

    @model_validator(mode="after")
    def _alpha_has_a_format(self) -> Config:
        for number, sink in enumerate(self.sinks):
            without = self._alpha_asked_for(sink)
            if without and sink.without_alpha:
                raise ValueError(f"sinks.{number}.{sink.without_alpha}, or {without}")
            if isinstance(sink, PipeSinkConfig) and sink.format == "rgba" and not without:
                raise ValueError(
                    f"sinks.{number}.format: rgba is for layout: cutout with compose.cutout: rgba, "
                    "or layout: composite with compose.background: transparent"
                )
        return self

    def _alpha_asked_for(self, sink: LayoutConfig) -> str | None:
        """How to avoid the alpha that *sink* is asked for; None if it is asked for none."""
        if sink.layout == "cutout" and self.compose.cutout == "rgba":
            return "set compose.cutout: rgb_on_black"
        if sink.layout == "composite" and self.compose.background.type == "transparent":
            return "set another compose.background"
        return None


def _addressed(sink: Any, name: str) -> Any:
    """*sink*, as YAML gives it, with the name of its stream in its addresses."""
    if not isinstance(sink, Mapping):
        return sink
    addresses = {key: sink[key] for key in ("serve", "publish") if isinstance(sink.get(key), str)}
    return {**sink, **{key: text.replace("{stream}", name) for key, text in addresses.items()}}
