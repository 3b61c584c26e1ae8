"""The events of a stream as types, and the listeners that are told of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from streamer.errors import redact

if TYPE_CHECKING:
    from streamer.frame import SourceState

logger = logging.getLogger("streamer.engine")


@dataclass(frozen=True, slots=True)
class SourceChanged:
    """The source has changed its state."""

    source: str
    """Its name, free of credentials."""
    state: SourceState
    why: str = ""
    """Of `stalled` and `reconnecting`: what went wrong, if anything did."""
    away_s: float | None = None
    """Of `live` after a loss: seconds without a frame."""


@dataclass(frozen=True, slots=True)
class StageFailure:
    """A stage failed. The first one to fail ends the run."""

    stage: str
    """Such as `capture`, `matting` or `sinks[0] record`."""
    why: str


@dataclass(frozen=True, slots=True)
class ChangeMade:
    """Settings were changed."""

    number: int
    keys: tuple[str, ...]
    """Dotted, of the configuration."""


@dataclass(frozen=True, slots=True)
class ChangeRefused:
    """A change was refused; everything is as it was."""

    key: str
    why: str


@dataclass(frozen=True, slots=True)
class ModelSwapped:
    """Another model or mode of matting runs from the next frame on."""

    model: str
    mode: str
    """As configured; may be `auto`."""


@dataclass(frozen=True, slots=True)
class RecordingStarted:
    """A file was begun."""

    path: str


@dataclass(frozen=True, slots=True)
class RecordingEnded:
    """A file is finished, or as whole as it could be made."""

    path: str


@dataclass(frozen=True, slots=True)
class ViewerJoined:
    """Somebody watches a stream that is served."""

    path: str
    """The stream's path at its server."""
    viewer: str
    """Address and port."""


@dataclass(frozen=True, slots=True)
class ViewerLeft:
    """A viewer has left a stream that is served."""

    path: str
    viewer: str
    why: str


@dataclass(frozen=True, slots=True)
class FramesDropped:
    """Captured frames reached no sink; told once a second at most."""

    reason: str
    """See `streamer.core.metrics.DropReason`."""
    count: int
    """Frames since the previous event with this reason."""


@dataclass(frozen=True, slots=True)
class StreamFailed:
    """A stream of several is down."""

    why: str
    pause_s: float | None
    """Seconds until it is started again; None: never."""


@dataclass(frozen=True, slots=True)
class StreamEnded:
    """A stream of several has ended, or one was stopped while the others go on."""

    why: str = ""
    """The failure that it was down with, if it was."""
    stopped: bool = False
    """Whether it can be started again: `Host.start`."""


Event = (
    SourceChanged
    | StageFailure
    | ChangeMade
    | ChangeRefused
    | ModelSwapped
    | RecordingStarted
    | RecordingEnded
    | ViewerJoined
    | ViewerLeft
    | FramesDropped
    | StreamFailed
    | StreamEnded
)
Tell = Callable[[Event], None]
Listener = Callable[[str, Event], None]
"""Called with the stream's name and the event, by the thread where it happened; must not wait."""


def nobody(event: Event) -> None:
    """Tell nobody."""


class Events:
    """
    Tells listeners what happens to one stream, or to several whose events are passed on to it. The
    events of each thread keep their order.

    Thread-safe. If a listener raises, that is logged and disturbs neither stream nor the others.

    Args:
        stream: its name.
        logs: whether the log is the first listener.
    """

    def __init__(self, stream: str = "stream", *, logs: bool = True) -> None:
        self.stream = stream
        self._listeners: tuple[Listener, ...] = (log,) if logs else ()
        self._lock = threading.Lock()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell *listener* of every event from now on; call what is returned to end that."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

        def leave() -> None:
            with self._lock:
                self._listeners = tuple(one for one in self._listeners if one is not listener)

        return leave

    def tell(self, event: Event) -> None:
        """Tell every listener of *event*, without the credentials of URLs in it."""
        told: Any = event
        texts = {name: getattr(told, name) for name in told.__dataclass_fields__}
        clean = {name: redact(text) for name, text in texts.items() if isinstance(text, str)}
        self.pass_on(self.stream, replace(told, **clean))

    def pass_on(self, stream: str, event: Event) -> None:
        """Tell every listener of an *event* that *stream*, another one, has told; a `Listener`."""
        for listener in self._listeners:
            try:
                listener(stream, event)
            except Exception:
                logger.exception("a listener failed at %s", event)


def log(stream: str, event: Event) -> None:
    """Log *event*; what a user should know without asking is above the debug level."""
    told = logging.LoggerAdapter(logger, {"stream": stream})
    match event:
        case SourceChanged(source, "live", away_s=None):
            told.info("%s: live", source)
        case SourceChanged(source, "live", away_s=away_s):
            # As loud as the loss was.
            told.warning("%s: live again after %.1f s", source, away_s)
        case SourceChanged(_, state, why) if why:
            told.warning("%s: %s", state, why)
        case SourceChanged(source, state):
            told.info("%s: %s", source, state)
        case StreamFailed(why, None):
            told.error("%s: %s; it stays down", stream, redact(why))
        case StreamFailed(why, pause_s):
            told.warning("%s: %s; starts again in %.1f s", stream, redact(why), pause_s)
        case ModelSwapped(model, mode):
            told.info("now: model %s, matting %s", model, mode)
        case _:
            told.debug("%s: %s", stream, event)
