from __future__ import annotations

from typing import get_args

import pytest

from streamer.control.window.keys import (
    BACKSPACE,
    ENTER,
    ESCAPE,
    KEYS,
    Action,
    action_of,
    character_of,
)


def test_every_action_has_a_key_and_every_key_one_line_of_the_help():
    actions = [action for key in KEYS for action in key.actions.values()]
    assert set(actions) == set(get_args(Action))
    characters = [character for key in KEYS for character in key.actions]
    assert len(set(characters)) == len(characters), "no key does two things"
    for key in KEYS:
        assert key.what
        named = {"\x1b": "Esc", " ": "space"}
        assert all(named.get(character, character) in key.label for character in key.actions)


@pytest.mark.parametrize(
    ("character", "action"),
    [
        ("q", "quit"),
        ("\x1b", "quit"),
        (" ", "hold"),
        ("b", "background"),
        ("[", "threshold_down"),
        ("]", "threshold_up"),
        ("-", "feather_down"),
        ("=", "feather_up"),
        (",", "slower"),
        (".", "faster"),
        ("Q", None),
        ("\r", None),
    ],
)
def test_a_character_does_what_the_help_says(character: str, action: str | None):
    assert action_of(character) == action


@pytest.mark.parametrize(
    ("code", "character"),
    [
        (-1, None),
        (0, None),
        (ord("q"), "q"),
        (ord("q") | 0x100000, "q"),
        (0xFF0D, ENTER),
        (10, ENTER),
        (13, ENTER),
        (8, BACKSPACE),
        (0xFF08, BACKSPACE),
        (27, ESCAPE),
        (0xFF63, None),
        (0x250000, None),
    ],
    ids=str,
)
def test_a_code_is_a_character_whatever_the_window_library_adds(code: int, character: str | None):
    assert character_of(code) == character, "Insert, 0xff63, is no c"
