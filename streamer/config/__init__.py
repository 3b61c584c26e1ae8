"""What a user can ask for, as plain validated data. `load` reads it from YAML."""

from streamer.config.addresses import ServeAddress
from streamer.config.backends import (
    BackendOptions,
    CudaOptions,
    OpenVinoOptions,
    TensorRtOptions,
)
from streamer.config.load import load_config, parse_config
from streamer.config.models import (
    ComposeConfig,
    Config,
    ContractConfig,
    MattingConfig,
    ModelConfig,
    PipelineConfig,
    Provider,
    RefineConfig,
    StandbyConfig,
)
from streamer.config.sinks import (
    DiscardSinkConfig,
    DisplaySinkConfig,
    ImagesSinkConfig,
    Layout,
    Panel,
    RecordSinkConfig,
    RtspSinkConfig,
    SinkConfig,
)
from streamer.config.sources import (
    PICTURE_SUFFIXES,
    FileSourceConfig,
    ImagesSourceConfig,
    ReconnectConfig,
    RtspSourceConfig,
    SourceConfig,
    SyntheticSourceConfig,
    UsbSourceConfig,
)

__all__ = [
    "PICTURE_SUFFIXES",
    "BackendOptions",
    "ComposeConfig",
    "Config",
    "ContractConfig",
    "CudaOptions",
    "DiscardSinkConfig",
    "DisplaySinkConfig",
    "FileSourceConfig",
    "ImagesSinkConfig",
    "ImagesSourceConfig",
    "Layout",
    "MattingConfig",
    "ModelConfig",
    "OpenVinoOptions",
    "Panel",
    "PipelineConfig",
    "Provider",
    "ReconnectConfig",
    "RecordSinkConfig",
    "RefineConfig",
    "RtspSinkConfig",
    "RtspSourceConfig",
    "ServeAddress",
    "SinkConfig",
    "SourceConfig",
    "StandbyConfig",
    "SyntheticSourceConfig",
    "TensorRtOptions",
    "UsbSourceConfig",
    "load_config",
    "parse_config",
]
