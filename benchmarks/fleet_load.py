"""
What a fleet costs beside its streams: the controller's CPU, and Ray's object store.

`python -m benchmarks.fleet_load [--streams 100]`; needs Ray. Three nodes of Ray run on this
machine, with a worker each. The streams are tiny and slow, for only what is said about them matters
here. The controller's CPU is that of its process, as the kernel counts it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.models import write_trivial_model
from benchmarks.reference import Limit, print_limits
from streamer.config.fleet import Fleet, parse_fleet
from streamer.fleet.cluster import FleetClient, attached, start_controller

NODES = ("a", "b", "c")
STORE_BYTES = 78_643_200
PATIENCE_S = 300.0
SETTLED_S = 15.0
CONTROLLER = 2.0
"""Percent of a core."""
STORED = 100_000
"""Bytes: far less than a frame."""


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The address of nodes of Ray that end with the block."""
    from ray.cluster_utils import Cluster

    common: dict[str, Any] = {
        "num_cpus": 1,
        "object_store_memory": STORE_BYTES,
        "include_log_monitor": False,
    }
    head = {"include_dashboard": False, "temp_dir": str(folder / "ray"), **common}
    first, *others = ({"node": name} for name in NODES)
    nodes = Cluster(initialize_head=True, head_node_args={"labels": first, **head})
    try:
        for labels in others:
            nodes.add_node(labels=labels, **common)
        nodes.wait_for_nodes()
        yield str(nodes.address)
    finally:
        nodes.shutdown()  # type: ignore[no-untyped-call]


def make_fleet(count: int, folder: Path) -> Fleet:
    """So many streams of two frames a second."""
    source = {"type": "synthetic", "width": 64, "height": 36, "fps": 2, "realtime": True}
    defaults: dict[str, Any] = {
        "source": source,
        "model": {"name": str(write_trivial_model(folder / "one.onnx", 64))},
        "matting": {"mode": "every_frame"},
        "sinks": [{"type": "discard"}],
    }
    return parse_fleet(
        {"defaults": defaults, "streams": {f"s{number:03}": {} for number in range(count)}}
    )


def wait_until_all_run(client: FleetClient) -> float:
    """Wait; returns the seconds that it took."""
    began_s = time.monotonic()
    while any(stream.state != "running" for stream in client.status().streams):
        if time.monotonic() - began_s > PATIENCE_S:
            raise SystemExit(f"not all streams run after {PATIENCE_S:g} s")
        time.sleep(0.5)
    return time.monotonic() - began_s


def processes(words: str) -> list[int]:
    """Those whose command line begins so."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(words.encode()):
                found.append(int(folder.name))
        except OSError:  # it has ended
            continue
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds of a process, all threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stored_bytes() -> float:
    """What lies in the object stores."""
    import ray

    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
    return there["object_store_memory"] - free.get("object_store_memory", 0.0)


def measure(client: FleetClient, seconds: float) -> dict[str, float]:
    """Shares of a core over *seconds*, and the most that lay in the object stores."""
    (controller,) = processes("ray::ControllerActor")
    pids = [controller, *processes("ray::WorkerActor")]
    before = {pid: cpu_s(pid) for pid in pids}
    began_s = time.monotonic()
    stored = 0.0
    while time.monotonic() - began_s < seconds:
        time.sleep(1)
        stored = max(stored, stored_bytes())
    passed_s = time.monotonic() - began_s
    shares = {pid: (cpu_s(pid) - before[pid]) / passed_s for pid in pids}
    return {
        "controller": shares.pop(controller),
        "workers": sum(shares.values()),
        "stored": stored,
    }


def main(arguments: list[str] | None = None) -> int:
    """Run the fleet, and print what it cost and what must hold."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").strip().splitlines()[0])
    parser.add_argument("--streams", type=int, default=100)
    parser.add_argument("--for", dest="seconds", type=float, default=30.0)
    options = parser.parse_args(arguments)
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    # In /tmp, for paths of Unix sockets are short.
    with TemporaryDirectory(prefix="sf-", dir="/tmp") as name:
        folder = Path(name)
        with cluster(folder) as address, attached(address):
            client = start_controller(make_fleet(options.streams, folder))
            took_s = wait_until_all_run(client)
            time.sleep(SETTLED_S)
            found = measure(client, options.seconds)
            nodes = ", ".join(f"{it.name}: {it.streams}" for it in client.status().nodes)
            client.stop()
    load = os.getloadavg()[0]
    print(f"{options.streams} streams ran after {took_s:.0f} s ({nodes}); load average {load:.1f}")
    print(f"workers, with all streams: {found['workers']:.2f} cores\n")
    return print_limits(
        [
            Limit(
                "CPU of the controller, % of a core", found["controller"] * 100, "<=", CONTROLLER
            ),
            Limit("bytes in the object stores", found["stored"], "<=", STORED),
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
