"""
Fetching from the Hugging Face Hub, into its standard cache, with its own client.

The client retries for most of a minute when there is no network. So one bounded request goes first:
a Hub that cannot be reached is then an error within seconds.
"""

from __future__ import annotations

import os
import queue
import threading
from pathlib import Path
from typing import Any

from streamer.core.home import lend_our_cache
from streamer.errors import ModelFetchError
from streamer.models.store.cache import (
    LOCAL_FILE,
    Progress,
    certificate_advice,
    is_no_room,
    no_room,
    require_room,
    write_error,
)
from streamer.models.store.registry import HubSource, ModelFile

lend_our_cache()

_ANSWER_S = 4.0
"""Seconds that the Hub may take for each step of an answer, unless HF_HUB_ETAG_TIMEOUT is set."""


def cached(file: ModelFile, source: HubSource) -> Path | None:
    """Path of the file in the Hub's cache, content unchecked; None if absent. No network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(source.repo, file.path, revision=source.revision)
    return Path(found) if isinstance(found, str) else None


def download(name: str, file: ModelFile, source: HubSource, progress: Progress | None) -> Path:
    """
    Download one file at its pinned revision; the caller checks its hash.

    Args:
        name: the model's, for messages and as the progress's label.
        file: what to fetch.
        source: from where.
        progress: told the bytes so far, from this thread or the client's.

    Raises:
        ModelFetchError: offline (within 7 s, unless HF_HUB_ETAG_TIMEOUT asks for more), gated,
            not found, or no room on the disk.
    """
    from huggingface_hub import constants, hf_hub_download

    folder = Path(constants.HF_HUB_CACHE)
    if constants.HF_HUB_OFFLINE:
        raise ModelFetchError(
            f"{name}: is not in {folder} and HF_HUB_OFFLINE forbids to fetch it: unset it, "
            f"{LOCAL_FILE}"
        )
    require_room(folder, file.size)
    try:
        _ask(file, source)
        return Path(
            hf_hub_download(
                source.repo,
                file.path,
                revision=source.revision,
                tqdm_class=_reporting(progress, name, file.size),
            )
        )
    except Exception as error:  # the client's errors share no base class, nor do its back ends'
        raise _translated(error, name, file, source, folder) from error


def _ask(file: ModelFile, source: HubSource) -> None:
    """
    Ask once for the file's metadata, in a thread, as name lookups have no time-out.

    Raises what the client raises, or TimeoutError.
    """
    from huggingface_hub import constants, get_hf_file_metadata, hf_hub_url

    url = hf_hub_url(source.repo, file.path, revision=source.revision)
    answer_s = (
        float(constants.HF_HUB_ETAG_TIMEOUT) if "HF_HUB_ETAG_TIMEOUT" in os.environ else _ANSWER_S
    )
    outcome: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def ask() -> None:
        try:
            get_hf_file_metadata(url, timeout=answer_s)
        except Exception as error:
            outcome.put(error)
        else:
            outcome.put(None)

    threading.Thread(target=ask, name="hub-probe", daemon=True).start()
    try:
        failure = outcome.get(timeout=1.5 * answer_s)
    except queue.Empty:
        raise TimeoutError(f"no answer within {1.5 * answer_s:g} s") from None
    if failure is not None:
        raise failure


def _translated(
    error: Exception, name: str, file: ModelFile, source: HubSource, folder: Path
) -> ModelFetchError:
    from huggingface_hub import constants

    page = f"{constants.ENDPOINT}/{source.repo}"
    chain = _chain(error)
    if any(is_no_room(link) for link in chain):
        return no_room(folder, file.size)
    for link in chain:
        if isinstance(link, OSError) and link.filename is not None:  # about a file, not the network
            culprit = Path(os.fsdecode(link.filename))
            ours = culprit.is_relative_to(folder.parent) or folder.is_relative_to(culprit)
            return write_error(link, folder if ours else culprit.parent)
        status = getattr(getattr(link, "response", None), "status_code", None)
        if status in (401, 403):
            return ModelFetchError(
                f"{name}: the Hub refuses it (HTTP {status}): accept the licence on {page}, then "
                f"log in with `hf auth login` or set HF_TOKEN, {LOCAL_FILE}"
            )
        if status == 404:
            return ModelFetchError(
                f"{name}: {page} has no {file.path} at {source.revision[:12]}: check HF_ENDPOINT, "
                f"{LOCAL_FILE}"
            )
        if status is not None:
            return ModelFetchError(
                f"{name}: the Hub answers HTTP {status} for {page}: try again later, {LOCAL_FILE}"
            )
    reason = " ".join(str(chain[-1]).split())[:200] or type(chain[-1]).__name__
    advice = certificate_advice(error)
    if advice is None:
        advice = "check the network, the proxy (HTTPS_PROXY) and HF_ENDPOINT"
    authorities = os.environ.get("SSL_CERT_FILE")
    if authorities and not os.path.isfile(authorities):  # noqa: PTH113 - as the client does
        advice = f"SSL_CERT_FILE is {authorities}, which is no file: mend or unset it"
    return ModelFetchError(
        f"{name}: cannot be fetched from {page} ({reason}): {advice}, {LOCAL_FILE}"
    )


def _chain(error: BaseException) -> list[BaseException]:
    """*error* and its causes, outermost first."""
    chain = [error]
    while (inner := chain[-1].__cause__) is not None and inner not in chain:
        chain.append(inner)
    return chain


def _reporting(progress: Progress | None, label: str, size: int) -> Any:
    """
    A progress-bar class that draws nothing and tells *progress* instead.

    The client may keep two bars for one file, for bytes received and bytes written; *progress* is
    told of the one that is ahead.
    """
    from huggingface_hub.utils.tqdm import tqdm

    furthest = 0

    class Reporting(tqdm):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **{**kwargs, "disable": True})  # type: ignore[no-untyped-call]
            self.n = kwargs.get("initial") or 0

        def update(self, n: float | None = 1) -> None:
            nonlocal furthest
            self.n += n or 0
            if progress is not None and self.n > furthest:
                furthest = int(self.n)
                progress(min(furthest, size), size, label)

    return Reporting
