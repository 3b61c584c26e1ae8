"""The API of the streams: how they are, and everything that a window's keys do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any, Literal, get_args

import anyio.to_thread
from fastapi import APIRouter, Body, Request
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from streamer.config import PageSinkConfig, revise
from streamer.config.changing import differences, way_of
from streamer.config.save import dump_config
from streamer.control.web import changing, uploads
from streamer.control.web.feed import Feed
from streamer.control.web.lasting import Lasting, LastingResponse
from streamer.control.web.problems import Problem, answers
from streamer.control.web.summaries import Summaries, Summary
from streamer.controls import Refused
from streamer.errors import ConfigError
from streamer.host import Host
from streamer.stream import Stream

_STILL_S = 10.0
"""For the next frame to come."""
_LOOK_S = 0.2
"""Between two looks whether the stream runs at all."""
_UPLOADS = 2
"""At once: a picture may take 400 MB while it is decoded."""

Verb = Literal[
    "start",
    "stop",
    "pause",
    "resume",
    "release",
    "acquire",
    "reopen",
    "trigger",
    "record",
    "stop-recording",
]
Layouts = Literal[
    "side_by_side",
    "stack",
    "grid",
    "cutout",
    "composite",
    "mask",
    "alpha",
    "overlay",
    "source",
]


class Streams(BaseModel):
    """All streams, in their order."""

    streams: list[Summary]


class Detail(Summary):
    """A stream, and what may be changed of it."""

    settings: dict[str, Any]
    """The present values, by section; without secrets, paths and addresses."""
    models: list[str]
    """The models that it can switch to without a download."""
    cameras: list[int]
    """The indices of this machine's cameras, if its source is one."""
    layouts: list[str]
    layout: str | None
    """Of its page, unless a viewer asks for another."""
    change: int
    """The number of changes so far."""


class Changed(BaseModel):
    """A change was made."""

    number: int
    """The number of changes so far, this one included."""


def api_routes(
    host: Host, summaries: Summaries, feed: Callable[[], Feed], lasting: Lasting
) -> APIRouter:
    """
    The routes below `/api/`, all but those of sessions and pictures.

    Args:
        host: the streams.
        summaries: how they are.
        feed: returns what tells browsers of events.
        lasting: how long answers may last.
    """
    router = APIRouter(prefix="/api", responses=answers(401, 403, 429, 503))
    uploading = asyncio.Semaphore(_UPLOADS)

    def run_of(name: str) -> Stream:
        try:
            run = host.stream(name)
        except KeyError:
            raise Problem(404, f"there is no stream {name}") from None
        if run is None:
            raise Problem(409, f"{name}: has not run yet")
        return run

    def changeable(name: str) -> Stream:
        """The run whose settings its next one will have too."""
        run = run_of(name)
        if host.state(name) == "starting":
            raise Problem(409, f"{name}: is being started")
        return run

    def running(name: str) -> Stream:
        run = run_of(name)
        if host.state(name) != "running":
            raise Problem(409, f"{name}: does not run")
        return run

    def summary_of(name: str) -> Summary:
        try:
            return summaries.of(name)
        except KeyError:
            raise Problem(404, f"there is no stream {name}") from None

    @router.get("/streams")
    def list_streams() -> Streams:
        """All streams, in their order."""
        return Streams(streams=summaries.all())

    @router.get("/streams/{name}", responses=answers(404))
    def show_stream(name: str) -> Detail:
        """One stream, and what may be changed of it."""
        summary = summary_of(name)
        with suppress(Problem):
            return detailed(summary, run_of(name))
        nothing: dict[str, Any] = {"settings": {}, "models": [], "cameras": [], "layouts": []}
        return Detail(**summary.model_dump(), **nothing, layout=None, change=0)

    def detailed(summary: Summary, run: Stream) -> Detail:
        config = run.config
        shown = next((sink for sink in config.sinks if isinstance(sink, PageSinkConfig)), None)
        # Elsewhere cameras are listed by opening them, which would disturb those in use.
        is_camera = config.source.type == "usb" and sys.platform.startswith("linux")
        return Detail(
            **summary.model_dump(),
            settings=changing.settings_of(config),
            models=list(run.models()),
            cameras=list(run.cameras()) if is_camera else [],
            layouts=list(get_args(Layouts)) if shown else [],
            layout=shown.layout if shown else None,
            change=run.settings.number,
        )

    @router.get("/options")
    def show_options() -> dict[str, Any]:
        """The JSON schema of each option that may be changed, by dotted key."""
        return changing.options()

    @router.patch(
        "/streams/{name}",
        responses=answers(404, 409, 413, 422),
        openapi_extra=_body(
            "application/json", {"type": "object", "properties": changing.options()}
        ),
    )
    async def change_stream(name: str, changes: Annotated[dict[str, Any], Body()]) -> Changed:
        """
        Change settings by dotted keys of the configuration: all of them, or none.

        A change of the model is answered once the model runs.
        """
        return await aside(partial(change, changeable(name), changes))

    def change(run: Stream, changes: dict[str, Any]) -> Changed:
        refused = changing.refusal(changes, run.models())
        if refused is not None:
            raise Problem(409 if refused.fixed else 422, refused.why, refused.key)
        return applied(run, changes)

    @router.post(
        "/streams/{name}/background",
        responses=answers(404, 409, 413, 422),
        openapi_extra=_body("image/*", {"type": "string", "format": "binary"}),
    )
    async def upload_background(name: str, request: Request) -> Changed:
        """Make a picture, the body, the background: PNG, JPEG or WebP, 10 MB at most."""
        run = changeable(name)
        return await lasting.unless_closing(received(run, request))

    async def received(run: Stream, request: Request) -> Changed:
        async with uploading:
            try:
                data = await request.body()
            except ClientDisconnect:
                raise Problem(422, "the picture did not come whole") from None
            return await asyncio.to_thread(use_background, run, data)

    def use_background(run: Stream, data: bytes) -> Changed:
        path = uploads.keep(data, backgrounds())
        return applied(run, {"compose.background": {"type": "image", "path": str(path)}})

    def backgrounds() -> set[str]:
        """The files that streams have as their backgrounds."""
        found: set[str] = set()
        for name in host.names:
            with suppress(Problem):
                found.update(run_of(name).config.files_read)
        return found

    async def aside(call: Callable[[], Changed]) -> Changed:
        """What *call* returns, which may take long; it is given up when the server ends."""
        return await lasting.unless_closing(anyio.to_thread.run_sync(call, abandon_on_cancel=True))

    def applied(run: Stream, changes: dict[str, Any]) -> Changed:
        answer = run.apply(changes)
        if isinstance(answer, Refused):
            now = answer.fixed or _is_for_another_time(run, changes, answer)
            raise Problem(409 if now else 422, answer.why, answer.key)
        return Changed(number=answer.number)

    @router.post("/streams/{name}/{verb}", responses=answers(404, 409, 422))
    def do(name: str, verb: Verb) -> Summary:
        """
        Do what a window's keys do; or stop the stream, which takes a moment, and start it again.

        What is so already is no error.
        """
        if verb in ("start", "stop"):
            summary_of(name)  # or 404
            with suppress(KeyError):  # it was taken out this moment
                host.start(name) if verb == "start" else host.stop(name)
            return summary_of(name)
        run = running(name)
        if verb == "trigger" and not run.triggers:
            raise Problem(409, f"{name}: no sink waits for a trigger")
        commands: dict[Verb, Callable[[], object]] = {
            "pause": run.pause,
            "resume": run.resume,
            "release": run.release,
            "acquire": run.acquire,
            "reopen": run.reopen,
            "trigger": run.trigger,
            "record": lambda: run.record(True),
            "stop-recording": lambda: run.record(False),
        }
        commands[verb]()
        return summary_of(name)

    @router.get(
        "/streams/{name}/snapshot.png",
        response_class=Response,
        responses={200: {"content": {"image/png": {}}}, **answers(404, 409)},
    )
    async def snapshot(name: str) -> Response:
        """The cutout of the next frame, as PNG with alpha."""
        run = run_of(name)
        if not any(isinstance(sink, PageSinkConfig) for sink in run.config.sinks):
            raise Problem(409, f"{name}: has no sink of type page")
        data = await lasting.unless_closing(still(run, name))
        headers = {"Content-Disposition": f'attachment; filename="{name}.png"'}
        return Response(data, media_type="image/png", headers=headers)

    async def still(run: Stream, name: str) -> bytes:
        """The next frame's cutout; given up where none can come."""
        if run.statistics().running:
            future = host.view(name).still()
            coming = asyncio.wrap_future(future)
            try:
                for _ in range(round(_STILL_S / _LOOK_S)):
                    await asyncio.wait((coming,), timeout=_LOOK_S)
                    if coming.done():
                        return coming.result()
                    if not run.statistics().running:
                        break
                    if run.paused and not run.config.source.RECONNECTS:
                        raise Problem(409, f"{name}: is paused")
                else:
                    raise Problem(409, f"{name}: no frame came within {_STILL_S:g} s")
            finally:
                coming.cancel()
        raise Problem(409, f"{name}: does not run")

    @router.get(
        "/streams/{name}/config.yaml",
        response_class=Response,
        responses={200: {"content": {"application/yaml": {}}}, **answers(404, 409)},
    )
    def configuration(name: str) -> Response:
        """The configuration as it is now, without secrets."""
        text, _ = dump_config(run_of(name).config)
        headers = {"Content-Disposition": f'attachment; filename="{name}.yaml"'}
        return Response(text, media_type="application/yaml", headers=headers)

    @router.get(
        "/events",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}},
    )
    async def events(request: Request) -> StreamingResponse:
        """Events of all streams, their state once a second, and the log, as they come."""
        until = lasting.over(request.state.session)
        return LastingResponse(feed().listen(), "text/event-stream", until)

    return router


def _body(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Describes a request's body, where FastAPI knows too little of it."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": schema}}}}


def _is_for_another_time(run: Stream, changes: dict[str, Any], refused: Refused) -> bool:
    """Whether *changes* are valid, and *run* cannot make them now."""
    if "under way" in refused.why:
        return True
    try:
        wanted = revise(run.config, changes)
    except ConfigError:
        return False
    return any(way_of(key) == "matting" for key in differences(run.config, wanted))
