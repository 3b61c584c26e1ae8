"""What a command's SOURCE most likely means, as a section of a configuration."""

from __future__ import annotations

from typing import Any

from streamer.core.home import expanded
from streamer.errors import ConfigError, SourceNotFound


def guess_source(text: str) -> dict[str, Any]:
    """
    The `source:` of a configuration that *text* most likely means.

    Raises:
        ConfigError: it is a URL that no stream can be read from.
        SourceNotFound: it looks like a path and nothing is there.
    """
    from streamer.config import PICTURE_SUFFIXES
    from streamer.config.stream_urls import check_stream_url

    if text.isascii() and text.isdigit():
        return {"type": "usb", "device": int(text)}
    if "://" in text:
        try:
            check_stream_url(text)
        except ValueError as error:
            raise ConfigError(f"the source's URL: {error}") from None
        return {"type": "rtsp", "url": text}
    if text.startswith("/dev/"):
        return {"type": "usb", "device": text}
    path = expanded(text)
    if "@" in text and ":" in text.partition("@")[0] and not path.exists():
        # The text is not repeated: it may contain a password.
        raise ConfigError(
            "the source is no file, and no URL: a stream's begins with rtsp:// or http://"
        )
    if path.is_dir() or path.suffix.lower() in PICTURE_SUFFIXES:
        from streamer.pictures import is_animation

        if path.is_file() and is_animation(path):
            return {"type": "file", "path": str(path), "realtime": True, "loop": True}
        return {"type": "images", "path": str(path), "realtime": True, "fps": 1.0, "loop": True}
    if path.exists():
        return {"type": "file", "path": str(path), "realtime": True}
    if path.suffix or len(path.parts) > 1:
        raise SourceNotFound(f"{text}: no such file: check the path, or `streamer cameras`")
    return {"type": "usb", "device": text}


def literal(value: Any) -> Any:
    """*value* with its strings escaped, so that `${…}` in a path is not taken for a variable."""
    if isinstance(value, dict):
        return {key: literal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [literal(item) for item in value]
    return value.replace("${", "$${") if isinstance(value, str) else value
