"""Where metrics and health are served, and when streams count as ready."""

from __future__ import annotations

from pydantic import model_validator

from streamer.config.addresses import is_loopback
from streamer.config.limits import Pause
from streamer.config.listening import ListeningConfig

_EXAMPLE = "127.0.0.1:9464"


class MetricsConfig(ListeningConfig):
    """Metrics for Prometheus and health for whoever keeps the process running, over HTTP."""

    listen: str = _EXAMPLE
    """Address to serve at, `host:port`; port 0 takes any that is free. docs/metrics.md says what is
    served there."""
    insecure: bool = False
    """Let other machines read them. There is no password."""
    ready_s: Pause = 5.0
    """Seconds. `/readyz` says that all is well while each stream's newest frame is younger."""

    @model_validator(mode="after")
    def _served_with_care(self) -> MetricsConfig:
        if not (is_loopback(self.host) or self.insecure):
            raise ValueError(
                f"listen: other machines could read the metrics at {self.host} without a password: "
                f"write {_EXAMPLE}, or insecure: true"
            )
        return self
