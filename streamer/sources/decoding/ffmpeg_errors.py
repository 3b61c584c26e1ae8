"""FFmpeg's errors in our words: said here and nowhere else."""

from __future__ import annotations

import errno
from collections.abc import Callable

import av

from streamer.errors import (
    SourceAuthError,
    SourceError,
    SourceLost,
    SourceNotFound,
    SourceRefused,
    SourceTimeout,
    SourceTlsError,
    SourceUnsupported,
    ffmpeg_reason,
)

_NEARLY = 0.9
"""A failure after this share of the time-out counts as one: FFmpeg may report it as bad data."""
_NO_VIDEO = (errno.EPERM, errno.EINVAL)
"""FFmpeg's errors for an answer that leads to something it may not open."""
_UNREACHABLE = (
    ConnectionRefusedError,
    ConnectionResetError,
    ConnectionAbortedError,
    BrokenPipeError,
)


def translate_open(error: av.FFmpegError, name: str) -> SourceError:
    """Say in our words why the file *name* could not be opened."""
    reason = ffmpeg_reason(error)
    if isinstance(error, av.FileNotFoundError):
        return SourceNotFound(f"{name}: no such file")
    if isinstance(error, av.PermissionError) and error.errno == errno.EACCES:
        return SourceNotFound(f"{name}: may not be read: check its permissions")
    if isinstance(error, OSError):
        return SourceNotFound(f"{name}: cannot be reached: {reason}")
    return SourceUnsupported(f"{name}: not a video that can be read: {reason}")


def translate_connect(
    error: av.FFmpegError,
    name: str,
    elapsed_s: float,
    timeout_s: float,
    *,
    secure: bool = False,
    knows_host: Callable[[], bool] = lambda: True,
) -> SourceError:
    """
    Say in our words why no stream came from the server *name*.

    Args:
        error: FFmpeg's.
        name: the URL without credentials, of RTSP or HTTP.
        elapsed_s: seconds since the attempt began.
        timeout_s: seconds that each step of it may take.
        secure: over TLS.
        knows_host: whether the host's name has an address; FFmpeg's error does not say.
    """
    reason = ffmpeg_reason(error)
    kind: type[SourceError] = SourceRefused
    web = name.lower().startswith("http")
    if _timed_out(error, elapsed_s, timeout_s):
        server = "a web server that sends video" if web else "an RTSP server"
        kind, said = SourceTimeout, f"no answer within {timeout_s:g} s: is it {server}?"
    elif isinstance(error, av.HTTPUnauthorizedError):
        kind, said = SourceAuthError, "401 unauthorized: check user and password"
    elif isinstance(error, av.HTTPForbiddenError):
        kind, said = SourceAuthError, "403 forbidden: this user may not see the stream"
    elif isinstance(error, av.HTTPNotFoundError):
        kind, said = SourceNotFound, "404 not found: check the path in the URL"
    elif isinstance(error, av.HTTPError | av.HTTPClientError):
        said = f"the server refused: {reason}"
    elif isinstance(error, ConnectionRefusedError):
        said = "connection refused: is the server up, and the port right?"
    elif web and (error.errno in _NO_VIDEO or isinstance(error, av.InvalidDataError | av.EOFError)):
        kind = SourceUnsupported
        said = "the answer is no video that can be read: is it the URL of the stream, or of a page?"
    elif web and not secure and error.errno == errno.EIO and knows_host():
        said = "the answer ended, and there was no video in it: is it the URL of the stream?"
    elif isinstance(error, av.InvalidDataError | av.EOFError):
        said = "no RTSP answer: is it an RTSP server, and with TLS (rtsps) or without (rtsp)?"
    elif not isinstance(error, OSError):
        kind, said = SourceUnsupported, f"not a stream that can be read: {reason}"
    elif not knows_host():
        kind, said = SourceNotFound, "unknown host: check the name in the URL"
        if "***@" in name:
            said += ", and write a / of its password as %2F"
    elif secure and error.errno == errno.EIO:
        kind = SourceTlsError
        said = (
            "no secure connection: its certificate is not trusted (name its authority in tls_ca, "
            "or set tls_verify: false), or it speaks no TLS"
        )
    else:
        said = f"cannot be reached: {reason}"
    return kind(f"{name}: {said}")


def translate_read(
    error: av.FFmpegError, name: str, elapsed_s: float = 0.0, timeout_s: float | None = None
) -> SourceError:
    """Say in our words why *name*, open until now, could not be read on."""
    if timeout_s is not None and _timed_out(error, elapsed_s, timeout_s):
        return SourceTimeout(f"{name}: sent nothing for {timeout_s:g} s")
    if isinstance(error, _UNREACHABLE):
        return SourceLost(f"{name}: the connection was lost: {ffmpeg_reason(error)}")
    if error.errno == errno.EIO and name.lower().startswith("http"):
        return SourceLost(f"{name}: the server ended the stream")
    return SourceLost(f"{name}: cannot be read on: {ffmpeg_reason(error)}")


def _timed_out(error: av.FFmpegError, elapsed_s: float, timeout_s: float) -> bool:
    return isinstance(error, TimeoutError) or elapsed_s >= timeout_s * _NEARLY
