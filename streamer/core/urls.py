"""Passwords with characters that break a URL unless they are percent-encoded."""

from __future__ import annotations

import re
from urllib.parse import quote


def stray_in_password(url: str) -> str | None:
    """
    Advice on a *url* that may be misread because of a character of its password; else None.

    The part that looks like host and port is then the user and the beginning of the password.
    """
    rest = url.partition("://")[2]
    end = re.search("[/?#]", rest)
    if end is None or "@" in rest[: end.start()] or "@" not in rest[end.end() :]:
        return None
    return f"a '{end[0]}' in its user or password must be written as {quote(end[0], safe='')}"


def authority_may_end(url: str) -> bool:
    """
    Whether the user, host and port of *url* can end where they seem to.

    If an `@` comes later, they cannot end at a `#`, nor at a `?` without `name=value` after it:
    these belong to a password, whose beginning, such as `admin:12`, looks like host and port.
    """
    rest = url.partition("://")[2]
    end = re.search("[/?#]", rest)
    if end is None or stray_in_password(url) is None:
        return True
    return end[0] == "/" or (end[0] == "?" and "=" in rest[end.end() :].partition("@")[0])
