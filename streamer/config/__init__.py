"""What a user can ask for, as plain validated data. `load` reads it from YAML."""

from streamer.config.addresses import ServeAddress
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
    "ComposeConfig",
    "Config",
    "ContractConfig",
    "DiscardSinkConfig",
    "DisplaySinkConfig",
    "FileSourceConfig",
    "ImagesSinkConfig",
    "ImagesSourceConfig",
    "Layout",
    "MattingConfig",
    "ModelConfig",
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
    "UsbSourceConfig",
    "load_config",
    "parse_config",
]
