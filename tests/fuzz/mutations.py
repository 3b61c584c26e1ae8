"""Ways in which a file is damaged; each takes its bytes and gives others, by a seeded chance."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

Mutation = Callable[[bytes, Random], bytes]

_HEAD = 2048
"""Bytes at either end of a file where containers keep what matters most."""
_ODD_WORDS = (0, 1, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def _somewhere(data: bytes, chance: Random) -> int:
    """A place in *data*, in every second case near one of its ends."""
    if chance.random() < 0.5:
        return chance.randrange(len(data))
    near = min(_HEAD, len(data))
    at = chance.randrange(near)
    return at if chance.random() < 0.6 else len(data) - near + at


def flip_bits(data: bytes, chance: Random) -> bytes:
    """Flip 1 to 64 bits."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 2, 8, 64))):
        out[_somewhere(data, chance)] ^= 1 << chance.randrange(8)
    return bytes(out)


def truncate(data: bytes, chance: Random) -> bytes:
    """Cut the end off."""
    return data[: chance.randrange(len(data))]


def behead(data: bytes, chance: Random) -> bytes:
    """Cut the beginning off."""
    return data[chance.randrange(len(data)) :]


def blank(data: bytes, chance: Random) -> bytes:
    """Overwrite a run of bytes by zeros, as a bad disk does."""
    at, length = _somewhere(data, chance), chance.choice((1, 4, 64, 1024))
    return data[:at] + bytes(min(length, len(data) - at)) + data[at + length :]


def repeat(data: bytes, chance: Random) -> bytes:
    """Say a part twice."""
    at, length = _somewhere(data, chance), chance.choice((4, 188, 1024))
    return data[:at] + data[at : at + length] + data[at:]


def leave_out(data: bytes, chance: Random) -> bytes:
    """Lose a part, as a lost packet does."""
    at, length = _somewhere(data, chance), chance.choice((1, 4, 188, 1024))
    return data[:at] + data[at + length :]


def odd_words(data: bytes, chance: Random) -> bytes:
    """Put numbers that no tag should have into places where tags stand."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 2, 4))):
        at, width = _somewhere(data, chance), chance.choice((1, 2, 4))
        word = chance.choice(_ODD_WORDS) & (256**width - 1)
        out[at : at + width] = word.to_bytes(width, chance.choice(("big", "little")))
    return bytes(out)


MUTATIONS: tuple[Mutation, ...] = (
    flip_bits,
    flip_bits,
    truncate,
    behead,
    blank,
    repeat,
    leave_out,
    odd_words,
    odd_words,
)
"""Those that find most stand twice."""


def damage(data: bytes, chance: Random) -> bytes:
    """*data* after one to three mutations."""
    for _ in range(chance.choice((1, 1, 2, 3))):
        if data:
            data = chance.choice(MUTATIONS)(data, chance)
    return data
