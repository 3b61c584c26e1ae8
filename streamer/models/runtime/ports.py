"""Inputs and outputs of a graph, and which of them are the picture and its alpha."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import ModelError

Sides = Sequence[int | str | None]
"""A tensor's shape as a graph declares it: a side that is no number may have any length."""

Size = tuple[int, int]
"""(height, width) in pixels."""

_MOST_NAMED = 4
"""Most ports that a message names."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or an output of a graph."""

    name: str
    kind: str
    """The type of its elements, as the backend names it."""
    shape: tuple[int | str | None, ...]
    """As the graph declares it; empty if it does not declare the number of dimensions."""

    def __str__(self) -> str:
        return f"{self.name} {_written(self.shape)}" if self.shape else self.name


def picture_input(
    ports: Sequence[Port], wanted: str | None, path: Path, *, alone: bool = True
) -> int:
    """
    Find the picture's index among a graph's inputs.

    Args:
        ports: all inputs that have no value of their own.
        wanted: its name; the first when None.
        path: the model's file, for messages.
        alone: refuse a graph that wants any other input.

    Raises:
        ModelError: there is no such input, or the graph wants others that nothing provides.
    """
    chosen = _chosen(ports, wanted, "input", path)
    others = [port for number, port in enumerate(ports) if number != chosen]
    if alone and others:
        raise ModelError(
            f"{path}: wants {_listed(others)} beside the picture, {ports[chosen]}: nothing gives "
            "it: take a model of one input, or export this one with a value in the others' place"
        )
    return chosen


def alpha_output(ports: Sequence[Port], wanted: str | None, path: Path) -> int:
    """Find the alpha's index among a graph's outputs, as `picture_input` does."""
    return _chosen(ports, wanted, "output", path)


def misfit(ports: Sequence[Port], chosen: int, given: Sides, wanted: Sides) -> str | None:
    """
    Why an output cannot be the alpha; None if it can.

    Args:
        ports: all outputs.
        chosen: which of them is taken.
        given: its shape, as declared or as produced.
        wanted: the shape that is needed.
    """
    if len(given) == len(wanted) and all(
        not isinstance(side, int) or side == need for side, need in zip(given, wanted, strict=True)
    ):
        return None
    others = [port for number, port in enumerate(ports) if number != chosen]
    way_out = (
        f"model.contract.output may name another: {_listed(others)}"
        if others
        else "only one plane of the input's height and width is an alpha"
    )
    name = ports[chosen].name
    return f"its output {name} is {_written(given)}, not {_written(wanted)}: {way_out}"


def require_floats(source: Port, target: Port, floats: Sequence[str], path: Path) -> None:
    """Raise ModelError unless the elements of both are of a type in *floats*."""
    for port, what in ((source, "input"), (target, "output")):
        if port.kind not in floats:
            raise ModelError(
                f"{path}: its {what} {port} is of {port.kind}, not of floats (16 or 32 bits): "
                f"model.contract.{what} may name another, or export it with a cast"
            )


def input_size(
    shape: Sequence[int | None], usual: Size | None, wanted: int | None, path: Path, name: str
) -> tuple[Size, bool]:
    """
    Choose the input's size: what the graph fixes, else what was *wanted*, else the *usual* one.

    Returns:
        The size, and whether the graph takes other sizes too.
    """
    is_picture = len(shape) == 4 and shape[0] in (1, None) and shape[1] in (3, None)
    if not is_picture or (shape[1] is None and 3 in shape[2:]):
        raise ModelError(f"{path}: its input is {list(shape)}, not [1, 3, height, width]")
    height, width = (
        fixed or wanted or side
        for fixed, side in zip(shape[2:], usual or (None, None), strict=True)
    )
    if height is None or width is None:
        raise ModelError(
            f"{path}: takes any size: say which with model.input_size (or --size), such as 1024"
        )
    if wanted is not None and (height, width) != (wanted, wanted):
        model = path if name == path.name else name
        raise ModelError(
            f"model.input_size: {wanted} is not possible: {path.name} is made for "
            f"{width}x{height}: "
            f"`streamer models optimize {model}` may make a file of it that takes others"
        )
    return (height, width), shape[2] is None and shape[3] is None


def _chosen(ports: Sequence[Port], wanted: str | None, what: str, path: Path) -> int:
    if not ports:
        raise ModelError(f"{path}: has no {what}: is it a complete model of pictures?")
    if wanted is None:
        return 0
    for number, port in enumerate(ports):
        if port.name == wanted:
            return number
    names = ", ".join(port.name for port in ports)
    raise ModelError(
        f"{path}: no {what} called {wanted!r}; it has: {names}: model.contract.{what} names one"
    )


def _listed(ports: Sequence[Port]) -> str:
    named = ", ".join(str(port) for port in ports[:_MOST_NAMED])
    more = len(ports) - _MOST_NAMED
    return f"{named} and {more} more" if more > 0 else named


def _written(shape: Sides) -> str:
    return f"[{', '.join(str(side or '?') for side in shape)}]"
