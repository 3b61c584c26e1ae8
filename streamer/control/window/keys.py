"""The window's keys: what each is called, and what it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal[
    "quit",
    "hold",
    "view",
    "snapshot",
    "help",
    "rate",
    "background",
    "threshold_down",
    "threshold_up",
    "feather_down",
    "feather_up",
    "draw",
    "mode",
    "model",
    "record",
    "trigger",
    "slower",
    "faster",
    "camera",
    "next_camera",
    "size",
    "limit",
    "order",
    "loop",
    "save",
]


@dataclass(frozen=True, slots=True)
class Key:
    """One line of the help: keys, what they do, and the action of each."""

    label: str
    what: str
    actions: dict[str, Action]


KEYS = (
    Key("q  Esc", "quit", {"q": "quit", "\x1b": "quit"}),
    Key("space", "pause and go on", {" ": "hold"}),
    Key("m", "next view", {"m": "view"}),
    Key("b", "next background", {"b": "background"}),
    Key("[  ]", "threshold of the mask down, up", {"[": "threshold_down", "]": "threshold_up"}),
    Key("-  =", "softer edge less, more", {"-": "feather_down", "=": "feather_up"}),
    Key("r", "draw regions with the mouse", {"r": "draw"}),
    Key("t", "matting: every frame, tracked", {"t": "mode"}),
    Key("n", "next model on this disk", {"n": "model"}),
    Key(",  .", "file slower, faster", {",": "slower", ".": "faster"}),
    Key("c", "let the camera go, take it again", {"c": "camera"}),
    Key("d", "next camera", {"d": "next_camera"}),
    Key("z", "size of the camera's pictures", {"z": "size"}),
    Key("x", "limit of frames per second", {"x": "limit"}),
    Key("o", "order of a folder's pictures", {"o": "order"}),
    Key("l", "file or folder again and again, or once", {"l": "loop"}),
    Key("s", "snapshot", {"s": "snapshot"}),
    Key("v", "recording on, off", {"v": "record"}),
    Key("i", "picture by the images sink", {"i": "trigger"}),
    Key("w", "write the settings as YAML", {"w": "save"}),
    Key("f", "frames per second, latency", {"f": "rate"}),
    Key("h", "this help", {"h": "help"}),
)
"""In the order of the help."""

_ACTIONS = {character: action for key in KEYS for character, action in key.actions.items()}

ENTER, BACKSPACE, ESCAPE = "\r", "\b", "\x1b"
_KEYSYMS = {0xFF08: BACKSPACE, 0xFF0D: ENTER, 0xFF8D: ENTER, 0xFF1B: ESCAPE, 0x0A: ENTER}
"""Codes of these keys in some window libraries: X.Org, "X Window System Protocol", appendix A."""


def character_of(code: int) -> str | None:
    """
    The character of a key's *code* as `cv2.pollKey` gives it, or None for a key without one.

    Modifiers, which some window libraries put into the upper half, are ignored.
    """
    if code < 0:
        return None
    code &= 0xFFFF
    if code in _KEYSYMS:
        return _KEYSYMS[code]
    return chr(code) if 0 < code < 0x80 else None


def action_of(character: str) -> Action | None:
    """What *character* does; None where it does nothing."""
    return _ACTIONS.get(character)
