"""Decode pictures ahead of their turn, as many as memory allows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from streamer.errors import SourceError
from streamer.pictures.photo import Photo
from streamer.pictures.reading import MAX_PIXELS, OpenPicture

T = TypeVar("T")


def ahead(
    jobs: Iterable[T],
    open_job: Callable[[T], OpenPicture],
    *,
    threads: int,
    max_pixels: int = MAX_PIXELS,
) -> Generator[tuple[T, Photo | SourceError]]:
    """
    Yield each of *jobs* in order, with its picture or the error that prevents it.

    The caller's thread reads the headers; other threads decode. At most *threads* pictures are
    being decoded or wait to be taken, and together they have at most *max_pixels*, unless it is a
    single one.

    Args:
        jobs: in the order of the results.
        open_job: opens a job's picture; raises SourceError.
        threads: how many decode.
        max_pixels: of all pictures decoded ahead, together.

    Closing the generator waits only for pictures that are being decoded.
    """
    waiting: deque[tuple[T, _Decoding | SourceError]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="streamer-pictures")
    coming = _opened(jobs, open_job)
    following = next(coming, None)
    try:
        while waiting or following is not None:
            while following is not None and _has_room(waiting, following[1], threads, max_pixels):
                job, picture = following
                decoding = _Decoding(pool, picture) if isinstance(picture, OpenPicture) else picture
                waiting.append((job, decoding))
                following = next(coming, None)
            job, result = waiting.popleft()
            yield job, result.result() if isinstance(result, _Decoding) else result
    finally:
        pool.shutdown(cancel_futures=True)
        if following is not None and isinstance(following[1], OpenPicture):
            following[1].close()
        for _, result in waiting:
            if isinstance(result, _Decoding):
                result.picture.close()


class _Decoding:
    """A picture that is being decoded, or has been."""

    def __init__(self, pool: ThreadPoolExecutor, picture: OpenPicture) -> None:
        self.picture = picture
        self._future: Future[Photo] = pool.submit(self._read)

    def _read(self) -> Photo:
        with self.picture:
            return self.picture.read()

    def result(self) -> Photo | SourceError:
        try:
            return self._future.result()
        except SourceError as error:
            return error


def _opened(
    jobs: Iterable[T], open_job: Callable[[T], OpenPicture]
) -> Iterator[tuple[T, OpenPicture | SourceError]]:
    for job in jobs:
        try:
            yield job, open_job(job)
        except SourceError as error:
            yield job, error


def _has_room(
    waiting: deque[tuple[T, _Decoding | SourceError]],
    picture: OpenPicture | SourceError,
    threads: int,
    max_pixels: int,
) -> bool:
    held = [result.picture.pixels for _, result in waiting if isinstance(result, _Decoding)]
    if not held or isinstance(picture, SourceError):
        return len(waiting) < 2 * threads
    return len(held) < threads and sum(held) + picture.pixels <= max_pixels
