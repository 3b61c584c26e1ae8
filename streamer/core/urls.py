"""What characters of a password do to a URL in which they stand as they are."""

from __future__ import annotations

import re
from urllib.parse import quote


def stray_in_password(url: str) -> str | None:
    """
    What to say of a *url* that is not understood, where a character of its password may be why.

    What looks like host and port is then the user and the beginning of the password.
    """
    rest = url.partition("://")[2]
    end = re.search("[/?#]", rest)
    if end is None or "@" in rest[: end.start()] or "@" not in rest[end.end() :]:
        return None
    return f"a '{end[0]}' in its user or password must be written as {quote(end[0], safe='')}"


def authority_may_end(url: str) -> bool:
    """
    Whether the user, host and port of *url* can end where they seem to.

    They do not before a `#`, nor before a `?` that no `name=value` follows, where an `@` comes
    later: both are of a password, of which `admin:12` may look like host and port.
    """
    rest = url.partition("://")[2]
    end = re.search("[/?#]", rest)
    if end is None or stray_in_password(url) is None:
        return True
    return end[0] == "/" or (end[0] == "?" and "=" in rest[end.end() :].partition("@")[0])
