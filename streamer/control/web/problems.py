"""What the API answers where it does not do what was asked."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from streamer.errors import StreamerError, redact


class Said(BaseModel):
    """Why something was not done."""

    key: str | None
    """Dotted, of the configuration, where it is about one."""
    why: str
    """One line for the user."""


_LONGEST = 2000
"""Characters of a text: requests may have long ones in them, which answers repeat."""


def plain(text: str) -> str:
    r"""
    *text* as browsers may have it: without credentials, and not longer than 2000 characters.

    Bytes of a file's name that are no text are written as `\udcff`.
    """
    # A credential that begins within what is kept ends within what is looked at; not the whole
    # text, for that takes seconds where it is long.
    clean = redact(text[: 2 * _LONGEST]).encode("utf-8", "backslashreplace").decode()
    return clean if len(clean) <= _LONGEST else f"{clean[:_LONGEST]}…"


class Problem(Exception):
    """
    An answer with a status of 400 or more.

    Args:
        status: 404 there is no such thing, 409 it cannot be now, 422 it is not valid.
        why: one line for the user.
        key: of the configuration.
    """

    def __init__(self, status: int, why: str, key: str | None = None) -> None:
        super().__init__(why)
        self.status = status
        self.said = Said(key=None if key is None else plain(key), why=plain(why))


ANSWERS: dict[int, dict[str, Any]] = {
    status: {"model": Said, "description": what}
    for status, what in {
        401: "There is no session.",
        403: "It is refused: the token, the origin or the host is wrong.",
        404: "There is no such stream.",
        409: "It cannot be done now.",
        413: "It is too large.",
        422: "It is not valid.",
        429: "There are too many.",
        503: "The server is ending.",
    }.items()
}
"""For the description of the API."""


def answers(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Those of `ANSWERS`, as routes take them."""
    return {status: ANSWERS[status] for status in statuses}


def answer_problems(app: FastAPI) -> None:
    """Have *app* answer every problem as `Said`."""

    @app.exception_handler(Problem)
    async def problem(request: Request, error: Problem) -> JSONResponse:
        return JSONResponse(error.said.model_dump(), error.status)

    @app.exception_handler(StreamerError)
    async def refused(request: Request, error: StreamerError) -> JSONResponse:
        return JSONResponse(Problem(409, str(error)).said.model_dump(), 409)

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> JSONResponse:
        # 400: a body that is no JSON in a way that FastAPI did not expect.
        status = 422 if error.status_code == 400 else error.status_code
        said = Problem(status, str(error.detail)).said
        return JSONResponse(said.model_dump(), status, error.headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"][1:]) or None
        said = Problem(422, f"{where or 'the body'}: {first['msg']}", where).said
        return JSONResponse(said.model_dump(), 422)
