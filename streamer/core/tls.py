"""The authorities that FFmpeg is told to trust: its own TLS knows none, not even the system's."""

from __future__ import annotations

import importlib
import ssl
from pathlib import Path

from streamer.core.home import expanded


def authorities(tls_ca: str | None) -> str:
    """
    A PEM file of authorities: *tls_ca*, else the system's own, else certifi's.

    Args:
        tls_ca: a configured file; a leading `~` is the home folder.

    Raises:
        FileNotFoundError: there is none; its text names the option that mends it.
    """
    if tls_ca is not None:
        path = expanded(tls_ca)
        if not path.is_file():
            raise FileNotFoundError(f"tls_ca: {tls_ca}: no such file")
        return str(path)
    # Windows keeps its authorities in no file, and some builds of Python point to none.
    for found in (ssl.get_default_verify_paths().cafile, _certifi()):
        if found is not None and Path(found).is_file():
            return found
    raise FileNotFoundError(
        "tls_ca: this system has no file of authorities: name one, or pip install certifi"
    )


def _certifi() -> str | None:
    """The file of the package certifi, where that is installed."""
    try:
        return str(importlib.import_module("certifi").where())
    except ImportError:
        return None
