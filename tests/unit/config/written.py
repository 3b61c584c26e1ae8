"""Every configuration that the repository shows: the shipped files, and the pages' YAML blocks."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
_BLOCK = re.compile(r"^```ya?ml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_REST = {"source": {"type": "usb"}, "sinks": [{"type": "discard"}]}


def written() -> dict[str, dict[str, Any]]:
    """Plain data by where it stands; what a page's part of a file lacks is filled in."""
    texts = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("config/*.yaml")}
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for match in _BLOCK.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            texts[f"{page.relative_to(ROOT)}:{line}"] = match[1]
    found = {place: yaml.safe_load(text) for place, text in texts.items()}
    ours = {place: data for place, data in found.items() if "scrape_configs" not in data}
    return {place: _whole(data) for place, data in ours.items()}


def _whole(data: dict[str, Any]) -> dict[str, Any]:
    if "fleet" in data:
        return {"streams": {"door": _REST}} | data
    return data if "streams" in data else _REST | data
