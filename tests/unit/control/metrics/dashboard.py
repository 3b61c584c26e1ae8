"""The dashboard for Grafana, and what it asks of Prometheus."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BOARD: dict[str, Any] = json.loads(
    (Path(__file__).parents[4] / "deploy/grafana/streamer.json").read_text(encoding="utf-8")
)


def queries(window: str = "1m") -> list[str]:
    """Every panel's queries as Grafana sends them: all streams, rates over *window*."""
    asked = [target["expr"] for panel in BOARD["panels"] for target in panel.get("targets", ())]
    for variable, value in (
        ("$__rate_interval", window),
        ("$instance", ".+"),
        ("$stream", ".+"),
    ):
        asked = [query.replace(variable, value) for query in asked]
    assert not [query for query in asked if "$" in query]
    return asked
