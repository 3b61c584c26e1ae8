"""
Everything this package raises, the signals that end a read, and URL redaction.

    StreamerError                exit code 1
    ├── ConfigError              2  a configuration that cannot be run as written
    ├── CommandRefused           2  a running stream cannot do what it was asked
    ├── MissingDependency        2  an optional package is not installed
    ├── SourceError              3
    │   ├── SourceNotFound          no such file, folder, device, host or stream
    │   ├── SourceAuthError         user or password is wrong, or may not see the stream
    │   ├── SourceRefused           the host answers, and takes no connection or request
    │   ├── SourceTlsError          no secure connection: its certificate is not trusted
    │   ├── SourceTimeout           nothing came within the time allowed (also a TimeoutError)
    │   │   └── SourceWaiting           it sends data, but no picture yet: ask again
    │   ├── SourceLost              it was open and ended before it should have
    │   ├── SourceUnsupported       it is there, but is not something we can read
    │   └── CorruptFrame            one frame could not be decoded; the source goes on
    ├── ModelError               4
    │   ├── ModelNotFound           no such name or file
    │   ├── ModelFetchError         offline, gated, disk full: the message says which
    │   ├── ModelCorrupt            wrong hash, or not a model
    │   ├── ProviderError           a requested execution provider does not load
    │   └── SegmentError            an inference failed
    ├── SinkError                5
    │   └── SinkStuck               a write did not return in time
    └── StageFailed                 a stage of the pipeline failed; exit code of its cause

    Signal                       not errors, hence not StreamerErrors
    ├── EndOfStream                 the stream ended as it should
    ├── FormatChanged               the next frame has another size
    └── StopRequested               a sink asks for the stream to end (its window was closed)

Messages are one line that names the thing, the value and the way out. Every message passes
through `redact`, so a password in a URL cannot reach a log through an exception.
"""

from __future__ import annotations

import errno
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from streamer.frame import StreamInfo
    from streamer.packets import AudioPacket

# A URL's scheme, user and password. A password after a colon may have blanks, but no slash. Of a
# scheme its end is enough: else long words would cost the square of their length.
_USER = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]{0,30}://)(?:[^\s/@:]*:[^/\n]*|\S*)@")
_KEY = (
    r"(?i)([?&;/](?:user(?:name)?|login|pass(?:word|wd|phrase)?|pwd|auth|secret|jwt|streamid|"
    r"(?:access_?)?token|(?:stream|api)?[_-]?key)=)"
)
# In a text a blank ends a value, unless another `&name=` follows; in a lone URL it does not.
_SECRET = re.compile(_KEY + r"[^&\s]*(?:[^\S\n][^&\n]*(?=&[\w-]+=))?")
_URL_SECRET = re.compile(_KEY + r"[^&]*")


def ffmpeg_reason(error: Exception) -> str:
    """
    FFmpeg's own words for *error*.

    FFmpeg gives EPERM to any failure without a number of its own; the system's text for that
    number, a lack of permission, would mislead.
    """
    if getattr(error, "errno", None) == errno.EPERM:
        return "FFmpeg gives no reason"
    return str(getattr(error, "strerror", None) or error or type(error).__name__)


def redact(text: str) -> str:
    """
    *text* with the credentials of every URL in it replaced by `***`.

    Credentials are all up to the last `@` of a URL, and the values of `user=`, `password=` and the
    like, which many cameras take in the query or the path.
    """
    return _SECRET.sub(r"\1***", _USER.sub(r"\1***@", text))


def public_url(url: str) -> str:
    """Redact *url*, which is a URL and nothing else: blanks do not end a hidden value."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return redact(url)
    _, at, place = rest.rpartition("@")
    return _URL_SECRET.sub(r"\1***", f"{scheme}://{'***' if at else ''}{at}{place}")


class StreamerError(Exception):
    """Any failure of this package; its text is one line for a user, free of credentials."""

    exit_code = 1

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))


class ConfigError(StreamerError):
    """A configuration that cannot be run as written."""

    exit_code = 2


class CommandRefused(StreamerError):
    """A stream cannot do what it was asked while it runs; it goes on as it was."""

    exit_code = 2


class MissingDependency(StreamerError):
    """An optional package is needed and not installed; the message has the command."""

    exit_code = 2


class SourceError(StreamerError):
    """A source cannot be opened or read."""

    exit_code = 3


class SourceNotFound(SourceError):
    """No such file, folder, device, host or stream."""


class SourceAuthError(SourceError):
    """A server wants another user or password (401), or this user may not see the stream (403)."""


class SourceRefused(SourceError):
    """A host that takes no connection, or a server that refuses what it is asked."""


class SourceTlsError(SourceError):
    """No secure connection: the certificate is not trusted, or the host speaks no TLS."""


class SourceTimeout(SourceError, TimeoutError):
    """A source did not answer within its time-out."""


class SourceWaiting(SourceTimeout):
    """A live source sends data, but no picture yet; repeat the call to go on waiting."""


class SourceLost(SourceError):
    """A source that was open ended before it should have."""


class SourceUnsupported(SourceError):
    """A source that is there but holds nothing we can read."""


class CorruptFrame(SourceError):
    """One frame could not be decoded; the source can be read on."""


class ModelError(StreamerError):
    """A model cannot be had, loaded or run."""

    exit_code = 4


class ModelNotFound(ModelError):
    """No model of that name in the registry, or no such file."""


class ModelFetchError(ModelError):
    """A model could not be downloaded; the message says why and what to do."""


class ModelCorrupt(ModelError):
    """A model file has the wrong hash or is not a model."""


class ProviderError(ModelError):
    """A requested execution provider does not load here."""


class SegmentError(ModelError):
    """An inference failed."""


class SinkError(StreamerError):
    """A sink cannot be opened, written or finished."""

    exit_code = 5


class SinkStuck(SinkError):
    """A sink's call did not return within the time allowed."""


class StageFailed(StreamerError):
    """
    The first stage of a pipeline that failed; `__cause__` is what it raised.

    Attributes:
        stage: the stage's name: `capture`, `matting`, or a sink's (`sinks[0] record`).
    """

    def __init__(self, stage: str, cause: BaseException) -> None:
        text = (
            str(cause) if isinstance(cause, StreamerError) else f"{type(cause).__name__}: {cause}"
        )
        super().__init__(f"{stage}: {text}")
        self.stage = stage
        self.__cause__ = cause
        self.exit_code = cause.exit_code if isinstance(cause, StreamerError) else 1


class Signal(Exception):
    """Tells the reader of a stream something other than a frame; not an error."""


class EndOfStream(Signal):
    """
    The stream ended as it should; there are no more frames.

    Attributes:
        audio: the audio after the last frame, as `Grab.audio`.
    """

    def __init__(self, audio: tuple[AudioPacket, ...] = ()) -> None:
        super().__init__()
        self.audio = audio


class StopRequested(Signal):
    """A sink asks for the end of the stream, as when its window is closed."""


class FormatChanged(Signal):
    """
    The next frame has another size. Nothing was read: read again into a matching array.

    Attributes:
        info: describes the stream from its next frame on.
    """

    def __init__(self, info: StreamInfo) -> None:
        super().__init__(f"now {info.width}x{info.height}")
        self.info = info
