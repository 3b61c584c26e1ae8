"""Where metrics and health are served, and when streams count as ready."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import field_validator, model_validator

from streamer.config.addresses import is_loopback
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
        _parsed(listen)
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
        return _parsed(self.listen)[0]

    @property
    def port(self) -> int:
        """The port of `listen`; 0: any that is free."""
        return _parsed(self.listen)[1]


def _parsed(listen: str) -> tuple[str, int]:
    """Host and port. Raises ValueError, whose message does not repeat *listen*."""
    try:
        parts = urlsplit(f"//{listen}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or port is None or parts.netloc != listen or "@" in listen:
        raise ValueError(f"is not host:port, such as {_EXAMPLE} or [::1]:9464")
    return host, port
