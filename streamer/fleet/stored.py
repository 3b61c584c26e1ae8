"""What a fleet keeps in Ray's own store, which outlives the controller: the file, and a count."""

from __future__ import annotations

import pickle
import time

from ray.experimental import internal_kv

from streamer.config.fleet import Fleet

_FLEET = b"streamer-fleet"
_GENERATION = b"streamer-fleet-generation"


def store_fleet(fleet: Fleet) -> None:
    """Keep *fleet* as what is wanted."""
    internal_kv._internal_kv_put(_FLEET, pickle.dumps(fleet), overwrite=True)


def stored_fleet() -> Fleet:
    """What is wanted. Raises LookupError if nothing is."""
    data = internal_kv._internal_kv_get(_FLEET)
    if not data:
        raise LookupError("no fleet is stored")
    fleet: Fleet = pickle.loads(data)  # noqa: S301 - who writes there runs code anyway
    return fleet


def forget_fleet() -> None:
    """Want nothing any longer."""
    internal_kv._internal_kv_del(_FLEET)


def next_generation() -> int:
    """
    A number above that of every controller before, in microseconds of wall-clock time.

    The clock may have been put back, or another machine may have the controller now.
    """
    before = int(internal_kv._internal_kv_get(_GENERATION) or 0)
    now = max(time.time_ns() // 1000, before + 1_000_000)
    internal_kv._internal_kv_put(_GENERATION, str(now).encode(), overwrite=True)
    return now
