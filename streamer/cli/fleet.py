"""`streamer fleet`: the streams of many machines, on Ray."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from streamer.cli import failures
from streamer.cli.lasting import For
from streamer.cli.run import Overrides
from streamer.cli.tables import print_table
from streamer.errors import ConfigError

if TYPE_CHECKING:
    from streamer.cli.interruption import Interruption
    from streamer.fleet.cluster import FleetClient
    from streamer.fleet.status import FleetStatus

app = typer.Typer(
    help="Run the streams of many machines on Ray.",
    cls=failures.GuardedGroup,
    no_args_is_help=True,
)
Address = Annotated[
    str,
    typer.Option(
        metavar="auto|HOST:PORT", envvar="RAY_ADDRESS", help="Of Ray: this machine's, or a head's."
    ),
]
_LOOK_S = 0.5


@app.command("run")
def run(
    context: typer.Context,
    configuration: Annotated[
        Path, typer.Argument(metavar="FLEET", help="A YAML file of streams, with `fleet:`.")
    ],
    overrides: Overrides = None,
    address: Address = "auto",
    for_s: For = None,
    detach: Annotated[
        bool, typer.Option("--detach", help="Return once the fleet has taken the file.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Take the file again when it changes.")
    ] = False,
) -> None:
    """
    Run a fleet, or change the one that runs to what the file says now; watch it until Ctrl-C.

    A fleet on a Ray that runs already goes on after that: `streamer fleet stop` ends it. Where none
    runs, one is started for this machine, and ends with the command.

    Example: streamer fleet run fleet.yaml --address 10.0.0.5:6379
    """
    from streamer.config.fleet import load_fleet
    from streamer.control.reloading import FileWatch
    from streamer.fleet.cluster import NoFleet, attached, start_controller

    if detach and watch:
        raise typer.BadParameter("--watch goes on as long as the command: leave out --detach")
    file = FileWatch(configuration) if watch else None
    fleet = load_fleet(configuration, overrides or ())
    if watch and not configuration.is_file():
        raise ConfigError(f"{configuration}: is no file that could change: leave out --watch")
    with attached(address, may_start=not detach) as started:
        client = start_controller(fleet)

        def take_again() -> None:
            if file is None or not file.due():
                return
            try:
                client.want(load_fleet(configuration, overrides or ()))
                failures.say(f"{configuration}: taken again")
            except ConfigError as error:
                failures.say(f"error: {error}; everything stays as it was")

        try:
            if not detach:
                with context.obj.stopping(note="leaving; once more leaves at once"):
                    _watch(client, for_s, take_again, context.obj)
        except NoFleet:
            if not context.obj.requested:
                raise
        finally:
            if started:
                client.stop()
            else:
                failures.say("the fleet goes on; `streamer fleet stop` ends it")


@app.command("status")
def status(
    address: Address = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON, for programs.")] = False,
) -> None:
    """
    Show where each stream is and why, and how the nodes are.

    Example: streamer fleet status --address 10.0.0.5:6379
    """
    from streamer.fleet.cluster import attached, find_controller

    with attached(address):
        found = find_controller().status()
    if as_json:
        typer.echo(json.dumps(asdict(found), indent=1))
        return
    _show(found)


@app.command("drain")
def drain(
    node: Annotated[str, typer.Argument(help="As `streamer fleet status` names it.")],
    address: Address = "auto",
    undo: Annotated[bool, typer.Option("--undo", help="Give it streams again.")] = False,
    for_s: For = None,
) -> None:
    """
    Move all streams away from a node, and give it none; wait until it is empty.

    Example: streamer fleet drain 10.0.0.7
    """
    from streamer.fleet.cluster import attached, find_controller

    with attached(address):
        client = find_controller()
        client.drain(node, draining=not undo)
        if undo:
            return
        began_s, told = time.monotonic(), -1
        while left := _streams_at(client.status(), node):
            if len(left) != told:
                told = len(left)
                failures.say(f"{node}: {told} streams are still there")
            if for_s is not None and time.monotonic() - began_s > for_s:
                raise ConfigError(f"{node}: {', '.join(left)} found no other node that fits")
            time.sleep(_LOOK_S)
    failures.say(f"{node}: is empty")


@app.command("stop")
def stop(address: Address = "auto") -> None:
    """
    End all streams of the fleet, its workers and its controller; Ray itself goes on.

    Example: streamer fleet stop
    """
    from streamer.fleet.cluster import attached, find_controller

    with attached(address):
        if not find_controller().stop():
            failures.say("warning: streams that did not end in time were ended with their workers")


def _watch(
    client: FleetClient,
    for_s: float | None,
    look: Callable[[], None],
    interruption: Interruption,
) -> None:
    """Tell what changes, and *look* twice a second, until the time is over or a signal comes."""
    began_s = time.monotonic()
    said = page = ""
    while not interruption.requested and (for_s is None or time.monotonic() - began_s < for_s):
        look()
        found = client.status()
        if found.page != page:
            page = found.page
            failures.say(f"page: {page}")
        line = _line(found)
        if line != said:
            said = line
            failures.say(line)
        time.sleep(_LOOK_S)


def _line(found: FleetStatus) -> str:
    """How a fleet is, in a line."""
    running = sum(stream.state == "running" for stream in found.streams)
    parts = [f"{running} of {len(found.streams)} streams run on {len(found.nodes)} nodes"]
    waiting = [stream for stream in found.streams if stream.state in ("waiting", "down")]
    parts += [f"{stream.stream}: {stream.why}" for stream in waiting[:3]]
    if found.halted:
        parts.append(f"the change goes no further: {found.halted}")
    if found.trouble:
        parts.append(found.trouble)
    return "; ".join(parts)


def _streams_at(found: FleetStatus, node: str) -> Sequence[str]:
    return [stream.stream for stream in found.streams if stream.node == node]


def _show(found: FleetStatus) -> None:
    print_table(
        ("node", "streams", "busy", "late", "last word", ""),
        (
            (
                node.name,
                str(node.streams),
                f"{node.busy:.0%}",
                f"{node.late:.1%}",
                f"{node.silent_s:.1f} s ago",
                ", ".join(
                    [
                        *(["draining"] if node.draining else []),
                        *([node.trouble] if node.trouble else []),
                        *(f"{kind} {it}" for kind, it in node.addresses.items()),
                    ],
                ),
            )
            for node in found.nodes
        ),
    )
    typer.echo()
    print_table(
        ("stream", "node", "state", "why"),
        (
            (
                stream.stream,
                (stream.node or "") + (f" to {stream.bound_for}" if stream.bound_for else ""),
                stream.state + (", old" if stream.outdated else ""),
                stream.why,
            )
            for stream in found.streams
        ),
    )
    if found.page:
        typer.echo(f"\npage: {found.page}")
    if found.halted:
        failures.say(f"warning: the change goes no further: {found.halted}")
    if found.trouble:
        failures.say(f"warning: {found.trouble}")
