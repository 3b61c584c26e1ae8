"""A certificate made at test time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from streamer.serving.rtsp import TlsFiles


def make_certificate(folder: Path) -> TlsFiles:
    """A self-signed one for loopback; skips where openssl is not installed."""
    files = TlsFiles(folder / "cert.pem", folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"]
    command += ["-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(files.key), "-out", str(files.cert)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed: apt-get install openssl")
    return files
