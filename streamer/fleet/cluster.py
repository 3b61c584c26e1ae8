"""The way into a Ray cluster, and the controller that runs there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from streamer.config.fleet import Fleet
from streamer.errors import ConfigError, MissingDependency, StreamerError
from streamer.fleet.status import FleetStatus

_ANSWER_S = 30.0
"""For the controller to answer; it may be being started again."""
_STOP_S = 30.0
_LOCALLY = {
    # Ray gives its workers the lowest priority but one; these have frames to show.
    "RAY_worker_niceness": "0",
    "RAY_worker_oom_score_adjustment": "0",
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


class NoFleet(StreamerError):
    """No fleet runs there."""

    exit_code = 1


class FleetClient:
    """
    The controller of a fleet, from outside.

    Args:
        controller: its actor.

    For one thread. Every method raises NoFleet if the controller does not answer.
    """

    def __init__(self, controller: Any) -> None:
        self._controller = controller

    def want(self, fleet: Fleet) -> None:
        """Make *fleet* what is wanted. Raises ConfigError if it cannot be while the fleet runs."""
        self._ask("want", fleet)

    def drain(self, node: str, *, draining: bool = True) -> None:
        """Begin to empty *node*, or give it streams again. Raises ConfigError: there is none."""
        if not self._ask("drain", node, draining):
            names = ", ".join(one.name for one in self.status().nodes) or "there are none"
            raise ConfigError(f"{node}: there is no such node with a worker: {names}")

    def status(self) -> FleetStatus:
        """How the fleet is."""
        found: FleetStatus = self._ask("status")
        return found

    def stop(self) -> bool:
        """End all streams, the workers and the controller; false if streams did not end in time."""
        import ray

        self._ask("let_all_go")
        ended = _until(lambda: not self.status().streams, _STOP_S)
        self._ask("end_workers")
        ray.kill(self._controller)
        return ended

    def _ask(self, method: str, *arguments: Any) -> Any:
        import ray
        from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError

        until_s = time.monotonic() + _ANSWER_S
        while True:
            call = getattr(self._controller, method).remote(*arguments)
            try:
                return ray.get(call, timeout=max(0.1, until_s - time.monotonic()))
            except RayTaskError as error:
                cause = error.cause
                if isinstance(cause, StreamerError):
                    raise type(cause)(str(cause)) from None
                raise
            except (GetTimeoutError, RayActorError) as error:
                if time.monotonic() > until_s or isinstance(error, GetTimeoutError):
                    why = _line(error)
                    raise NoFleet(f"the fleet's controller does not answer: {why}") from None
                time.sleep(0.2)


@contextmanager
def attached(address: str, *, may_start: bool = False) -> Iterator[bool]:
    """
    Be connected to Ray within the block.

    Gives whether it was started here: then it ends with the block.

    Args:
        address: `auto`, the Ray that runs on this machine, or `HOST:PORT` of a head.
        may_start: whether a local one is started where `auto` finds none.

    Raises:
        MissingDependency: Ray is not installed.
        NoFleet: there is none.
    """
    for name, value in _LOCALLY.items():
        os.environ.setdefault(name, value)
    try:
        import ray
    except ImportError as error:
        raise MissingDependency(
            f"a fleet needs Ray ({error}): pip install 'streamer[fleet]'"
        ) from error
    from streamer.fleet.actors import NAMESPACE

    common: dict[str, Any] = {
        "namespace": NAMESPACE,
        "log_to_driver": False,
        "configure_logging": False,
    }
    started = False
    try:
        _init(address=address, **common)
    except (ConnectionError, ValueError, RuntimeError) as error:
        if not (may_start and address == "auto" and isinstance(error, ConnectionError)):
            raise NoFleet(f"there is no Ray at {address}: {_line(error)}") from None
        _init(address="local", include_dashboard=False, **common)
        started = True
    try:
        yield started
    finally:
        ray.shutdown()


def find_controller() -> FleetClient:
    """The controller of the fleet that runs on the Ray that is attached. Raises NoFleet."""
    import ray

    from streamer.fleet.actors import CONTROLLER, NAMESPACE

    try:
        return FleetClient(ray.get_actor(CONTROLLER, NAMESPACE))
    except ValueError:
        raise NoFleet("no fleet runs there: streamer fleet run FLEET.yaml") from None


def start_controller(fleet: Fleet) -> FleetClient:
    """The controller of *fleet* on the Ray that is attached: started, or the one that runs."""
    import ray

    from streamer.fleet.actors import CONTROLLER, NAMESPACE, ControllerActor
    from streamer.fleet.stored import store_fleet

    try:
        client = find_controller()
    except NoFleet:
        store_fleet(fleet)
        actor = ray.remote(ControllerActor).options(
            name=CONTROLLER,
            get_if_exists=True,
            namespace=NAMESPACE,
            lifetime="detached",
            max_restarts=-1,
            max_task_retries=0,
            max_concurrency=8,
            num_cpus=0,
            resources={"node:__internal_head__": 0.001},  # its loss is the whole fleet's anyway
        )
        client = FleetClient(actor.remote())
        client.status()  # or it did not start
        return client
    client.want(fleet)
    return client


def _until(holds: Callable[[], bool], seconds: float) -> bool:
    """Wait until *holds*; false if it did not in time."""
    until_s = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.1)
    return True


def _init(**options: Any) -> None:
    """
    `ray.init`, which replaces the handler of SIGTERM: it is put back.

    It must be the main thread, for what it starts ends with the thread that did.
    """
    import ray

    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(**options)
    finally:
        signal.signal(signal.SIGTERM, handler)


def _line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
