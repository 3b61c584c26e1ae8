"""
Fetching weights from a web server over https, such as an asset of a release.

The file is written beside its place in our cache, and moved there in one step once its hash is
right.
"""

from __future__ import annotations

import hashlib
import http.client
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from streamer.errors import ModelCorrupt, ModelFetchError
from streamer.models.store.cache import (
    LOCAL_FILE,
    Progress,
    certificate_advice,
    is_no_room,
    make_folder,
    no_room,
    own_place,
    require_room,
    write_error,
)
from streamer.models.store.registry import ModelFile, UrlSource

_ANSWER_S = 10.0
"""Seconds that the server may take for each step: to answer, and to send the next piece."""
_PIECE = 1 << 18


def download(name: str, file: ModelFile, source: UrlSource, progress: Progress | None) -> Path:
    """
    Download one file and move it into our cache once its hash is right.

    Only one caller at a time for a file: the caller holds the file's lock.

    Args:
        name: the model's, for messages and as the progress's label.
        file: what to fetch; more than its size is not read.
        source: from where.
        progress: told the bytes so far, from this thread.

    Raises:
        ModelFetchError: offline, refused, not found, cut off, or no room on the disk.
        ModelCorrupt: the server has another file.
    """
    place = own_place(file.path)
    work = place.parent / f"{place.name}.fetching"
    make_folder(work.parent)
    require_room(work, file.size)
    try:
        got, count = _receive(name, file, source, work, progress)
        if got != file.sha256:
            size = f"over {file.size}" if count > file.size else str(count)
            raise ModelCorrupt(
                f"{name}: {source.url} is a file of {size} bytes and sha256 {got}, expected "
                f"{file.size} and {file.sha256}: refused; check the proxy and try again, "
                f"{LOCAL_FILE}"
            )
        work.replace(place)
    except (urllib.error.URLError, http.client.HTTPException, TimeoutError) as error:
        raise _translated(name, source, error) from error
    except OSError as error:
        if is_no_room(error):
            raise no_room(place.parent, file.size) from error
        if isinstance(error, ConnectionError):
            raise _translated(name, source, error) from error
        raise write_error(error, place.parent) from error
    finally:
        work.unlink(missing_ok=True)
    return place


def _receive(
    name: str, file: ModelFile, source: UrlSource, work: Path, progress: Progress | None
) -> tuple[str, int]:
    """Write the answer to *work*; return SHA-256 and length, at most a piece more than wanted."""
    digest = hashlib.sha256()
    count = 0
    # The registry has https:// only.
    request = urllib.request.Request(source.url, headers={"User-Agent": "streamer"})  # noqa: S310
    with (
        urllib.request.urlopen(request, timeout=_ANSWER_S) as answer,  # noqa: S310
        work.open("wb") as target,
    ):
        promised = answer.length
        while count <= file.size and (piece := answer.read(_PIECE)):
            target.write(piece)
            digest.update(piece)
            count += len(piece)
            if progress is not None:
                progress(min(count, file.size), file.size, name)
    if promised is not None and count < min(promised, file.size):
        raise http.client.IncompleteRead(b"", promised - count)
    return digest.hexdigest(), count


def _translated(name: str, source: UrlSource, error: Exception) -> ModelFetchError:
    host = urlsplit(source.url).hostname
    if isinstance(error, urllib.error.HTTPError):
        error.close()
        return ModelFetchError(
            f"{name}: {host} answers HTTP {error.code} for {source.url}: try again later, "
            f"{LOCAL_FILE}"
        )
    if isinstance(error, http.client.IncompleteRead):
        reason = "the download was cut off"
    else:
        said = getattr(error, "reason", None) or error
        reason = " ".join(str(said).split())[:200] or type(error).__name__
    advice = certificate_advice(error) or "check the network and the proxy (HTTPS_PROXY)"
    return ModelFetchError(
        f"{name}: cannot be fetched from {host} ({reason}): {advice}, {LOCAL_FILE}"
    )
