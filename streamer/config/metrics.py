"""Where metrics and health are served, and when streams count as ready."""

from __future__ import annotations

from pydantic import field_validator, model_validator

from streamer.config.addresses import is_loopback, listen_address
from streamer.config.data import Data
from streamer.config.limits import Pause

_EXAMPLE = "127.0.0.1:9464"


class MetricsConfig(Data):
    """Metrics for Prometheus and health for whoever keeps the process running, over HTTP."""

    listen: str = _EXAMPLE
    """Address to serve at, `host:port`; port 0 takes any that is free. docs/metrics.md says what is
    served there."""
    insecure: bool = False
    """Let other machines read them. There is no password."""
    ready_s: Pause = 5.0
    """Seconds. `/readyz` says that all is well while each stream's newest frame is younger."""

    @field_validator("listen")
    @classmethod
    def _is_an_address(cls, listen: str) -> str:
        listen_address(listen, _EXAMPLE)
        return listen

    @model_validator(mode="after")
    def _served_with_care(self) -> MetricsConfig:
        if not (is_loopback(self.host) or self.insecure):
            raise ValueError(
                f"listen: other machines could read the metrics at {self.host} without a password: "
                f"write {_EXAMPLE}, or insecure: true"
            )
        return self

    @property
    def host(self) -> str:
        """The host of `listen`, an IPv6 address without brackets."""
        return listen_address(self.listen, _EXAMPLE)[0]

    @property
    def port(self) -> int:
        """The port of `listen`; 0: any that is free."""
        return listen_address(self.listen, _EXAMPLE)[1]
