"""The fleet's page and its API as one ASGI application."""

from __future__ import annotations

import json
import threading
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import Response

from streamer import __version__
from streamer.control.web.access import Access, Hosts
from streamer.control.web.files import Packed, serve_files
from streamer.control.web.guard import Guard, session_routes
from streamer.control.web.problems import Problem, Said, answer_problems, answers
from streamer.core.clock import Clock, SystemClock
from streamer.fleet.controller import Controller
from streamer.fleet.status import FleetStatus

_OWN = {"/": "index.html", "/fleet.css": "fleet.css", "/fleet.js": "fleet.js"}
_SHARED = {name: name[1:] for name in ("/page.css", "/session.js", "/favicon.svg")}
_FRESH_NS = 500_000_000
_QUICKLY = 1
"""Level of compression: every answer is another one."""


def make_overview(controller: Controller, access: Access, hosts: Hosts) -> Guard:
    """
    The application of *controller*'s fleet, for those whom *access* lets in.

    Args:
        controller: of the fleet.
        access: its password and sessions.
        hosts: by which browsers may call it.
    """
    app = FastAPI(
        title="streamer fleet",
        version=__version__,
        description="The streams of many machines: where they are, and why.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    answer_problems(app)
    app.include_router(session_routes(access))
    app.include_router(fleet_routes(controller))
    serve_files(app, _OWN, files("streamer.fleet") / "overview_page")
    serve_files(app, _SHARED)
    return Guard(app, access, hosts)


def fleet_routes(controller: Controller) -> APIRouter:
    """The routes below `/api/fleet`."""
    router = APIRouter(prefix="/api/fleet", tags=["fleet"], responses=answers(401, 403, 429))
    snapshots = Snapshots(controller)
    unknown: dict[int | str, dict[str, Any]] = {
        404: {"model": Said, "description": "There is no such node."}
    }

    @router.get("", response_model=FleetStatus)
    def show_fleet(request: Request) -> Response:
        """Where all streams are, and how the nodes are, as `streamer fleet status --json` says."""
        return snapshots.latest().response(request, "application/json")

    @router.post("/nodes/{name:path}/drain", status_code=204, responses=unknown)
    def drain(name: str) -> None:
        """Move all streams away from a node, and give it none."""
        set_draining(name, True)

    @router.post("/nodes/{name:path}/undrain", status_code=204, responses=unknown)
    def undrain(name: str) -> None:
        """Give a node streams again."""
        set_draining(name, False)

    def set_draining(name: str, draining: bool) -> None:
        try:
            controller.drain(name, draining=draining)
        except KeyError:
            raise Problem(404, f"there is no node {name} with a worker") from None
        snapshots.forget()

    return router


class Snapshots:
    """
    The state of *controller*'s fleet as JSON.

    It is made anew twice a second at most, however many ask: the controller has other things to do,
    and a fleet may have 20,000 streams. Thread-safe.
    """

    def __init__(self, controller: Controller, clock: Clock | None = None) -> None:
        self._controller = controller
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._packed: Packed | None = None
        self._made_ns = 0

    def latest(self) -> Packed:
        """The state, as of half a second ago at most."""
        with self._lock:
            now_ns = self._clock.now_ns()
            if self._packed is None or now_ns - self._made_ns >= _FRESH_NS:
                text = json.dumps(self._controller.status(), default=_fields, separators=(",", ":"))
                self._packed, self._made_ns = Packed.of(text.encode(), _QUICKLY), now_ns
            return self._packed

    def forget(self) -> None:
        """Make the next one anew."""
        with self._lock:
            self._packed = None


def _fields(status: Any) -> dict[str, Any]:
    """A dataclass with slots, as JSON has it; `asdict` would copy all that is in it."""
    return {name: getattr(status, name) for name in status.__slots__}
