"""What the fleet's processes need: where they log, where they are, and that they are alone."""

from __future__ import annotations

import fcntl
import logging
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ray.util import get_node_ip_address

from streamer.core import records

_ALONE_S = 30.0
"""That a worker waits for the one before it on its node to end."""


def log_to_stderr(node: str) -> None:
    """Have this process's log lines, which Ray keeps in files, say where they come from."""

    class Formatter(logging.Formatter):
        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
            stream, _ = records.origin(record)
            record.message = f"{node}: {f'{stream}: ' if stream else ''}{record.message}"
            return super().formatMessage(record)

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter("%(asctime)s %(levelname)s %(message)s"))
    ours = logging.getLogger("streamer")
    ours.handlers = [handler]
    ours.setLevel(logging.INFO)
    ours.propagate = False


def hold_alone(name: str) -> Any:
    """
    Wait until no other process is the worker *name*: one that ends may overlap with its successor.

    Returns the open file, which holds that as long as it lives.

    Raises:
        OSError: another one is, or the file cannot be made.
    """
    folder = Path(tempfile.gettempdir()) / f"streamer-fleet-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{re.sub(r'[^A-Za-z0-9.-]', '_', name)}.lock"
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w")
    until_s = time.monotonic() + _ALONE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until_s:
                raise
            time.sleep(0.05)
        else:
            return file


def reachable(url: str) -> str:
    """*url* as other machines can have it, where it is served for them."""
    scheme, _, place = url.partition("://")
    host, _, port = place.rpartition(":")
    own = get_node_ip_address()  # type: ignore[no-untyped-call]
    return f"{scheme}://{own if host in ('0.0.0.0', '[::]') else host}:{port}"  # noqa: S104
