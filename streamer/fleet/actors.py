"""
Controller and workers as actors of Ray, which starts them, watches their processes, and carries
their messages. No frame goes through it.

An actor's class is imported by the process that runs it, so every node has this package, in this
version.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import pickle
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import ray
from ray.exceptions import RayError
from ray.experimental import internal_kv
from ray.util import get_node_ip_address
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from streamer.config.fleet import Fleet
from streamer.core.clock import SystemClock
from streamer.core.writing import write_whole
from streamer.errors import ConfigError, StreamerError
from streamer.fleet.controller import Controller
from streamer.fleet.messages import NodeFacts, Orders, Report
from streamer.fleet.status import FleetStatus

logger = logging.getLogger("streamer.fleet")

NAMESPACE = "streamer"
CONTROLLER = "controller"
_FLEET_KEY = b"streamer-fleet"
"""Of Ray's own store: what is wanted, for a controller that is started again."""
_OF_WORKERS = ("restart", "metrics", "web")
"""Sections of the fleet's file that are each worker's own."""
_TICK_S = 0.25
_STAFF_S = 2.0
"""Between two looks at the nodes that there are."""
_GATHER_S = 20.0
"""That the first streams wait at most for all nodes, or the first node would get most of them."""
_CALLS = 4
"""Reports on their way at once."""
_CALL_S = 3.0
"""After which one of them is given up."""
_TEND_S = 0.05
_ALONE_S = 30.0
"""That a worker waits for the one before it on its node to end."""


class ControllerActor:
    """
    The controller of the fleet: one for the whole cluster.

    Args:
        fleet: what is wanted, unless this is another start of one that was told of another since.
    """

    def __init__(self, fleet: Fleet) -> None:
        log_to_stderr("controller")
        again = bool(ray.get_runtime_context().was_current_actor_reconstructed)
        fleet = (_stored() if again else None) or fleet
        self._fleet = fleet
        self._controller = Controller(fleet, again=again)
        self._staffed: dict[str, Any] = {}
        """The actors of workers, by name."""
        self._targets = ""
        self._gather_until_s = 0.0 if again else time.monotonic() + _GATHER_S
        self._wake, self._ended = threading.Event(), threading.Event()
        _store(fleet)
        self._thread = threading.Thread(target=self._run, name="streamer-fleet", daemon=True)
        self._thread.start()

    def hear(self, report: Report) -> Orders:
        """A worker's report; answered by its orders."""
        orders = self._controller.hear(report)
        self._wake.set()
        return orders

    def want(self, fleet: Fleet) -> None:
        """
        Make *fleet* what is wanted.

        Raises:
            ConfigError: it differs in what a running fleet cannot change.
        """
        for section in _OF_WORKERS:
            if getattr(fleet, section) != getattr(self._fleet, section):
                raise ConfigError(
                    f"{section}: is fixed while the fleet runs: streamer fleet stop, then run"
                )
        _store(fleet)
        self._fleet = fleet
        self._controller.want(fleet)
        self._wake.set()

    def drain(self, node: str, draining: bool) -> bool:
        """Empty a node, or no longer; false if there is none of that name."""
        try:
            self._controller.drain(node, draining=draining)
        except KeyError:
            return False
        self._wake.set()
        return True

    def status(self) -> FleetStatus:
        """How the fleet is."""
        return self._controller.status()

    def let_all_go(self) -> None:
        """End all streams, and want none."""
        self._controller.want(self._fleet.model_copy(update={"streams": {}}))
        self._wake.set()

    def end_workers(self) -> None:
        """End the workers, for good."""
        self._ended.set()
        self._thread.join()
        for actor in self._staffed.values():
            ray.kill(actor)
        internal_kv._internal_kv_del(_FLEET_KEY)

    def _run(self) -> None:
        staffed_s = 0.0
        while not self._ended.is_set():
            self._wake.wait(_TICK_S)
            self._wake.clear()
            try:
                if time.monotonic() - staffed_s >= _STAFF_S:
                    staffed_s = time.monotonic()
                    self._staff()
                    self._tell_prometheus()
                if self._gathers():
                    continue
                for worker in self._controller.tick():
                    self._push(worker)
            except Exception:  # one that can be wrong must not end the fleet
                logger.exception("the controller stumbled, and goes on")

    def _gathers(self) -> bool:
        """Whether the first workers are still waited for."""
        if time.monotonic() < self._gather_until_s:
            if len(self._controller.status().nodes) < max(1, len(self._staffed)):
                return True
            self._gather_until_s = 0.0
        return False

    def _push(self, worker: str) -> None:
        """Send orders that have changed; if they are lost, the next report's answer has them."""
        actor = self._staffed.get(worker.partition("/")[0])
        orders = self._controller.orders_of(worker)
        if actor is not None and orders is not None:
            actor.obey.remote(orders)

    def _staff(self) -> None:
        """Have a worker on each node, or one for each of its GPUs."""
        everybody = ray.nodes()  # type: ignore[no-untyped-call]
        nodes = [node for node in everybody if node["Alive"]]
        needed = {}
        for node in nodes:
            labels = node.get("Labels") or {}
            if any(labels.get(name) != it for name, it in self._fleet.fleet.nodes.items()):
                continue
            gpus = int(node["Resources"].get("GPU", 0))
            for number in range(max(1, gpus)):
                facts = NodeFacts(_name_of(node, nodes, number, gpus), labels, gpus > 0)
                needed[f"worker-{node['NodeID']}-{number}"] = (node["NodeID"], facts)
        for name in self._staffed.keys() - needed.keys():
            del self._staffed[name]
        for name in needed.keys() - self._staffed.keys():
            self._staffed[name] = self._hire(name, *needed[name])

    def _hire(self, name: str, node: str, facts: NodeFacts) -> Any:
        rest = {section: getattr(self._fleet, section) for section in _OF_WORKERS}
        return (
            ray.remote(WorkerActor)
            .options(
                name=name,
                namespace=NAMESPACE,
                lifetime="detached",
                get_if_exists=True,
                max_restarts=-1,
                max_task_retries=0,
                max_concurrency=2,
                num_cpus=0,
                num_gpus=1 if facts.gpu else 0,
                scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False),
            )
            .remote(name, facts, rest, ray.get_runtime_context().current_actor)
        )

    def _tell_prometheus(self) -> None:
        """Write where the workers' metrics are."""
        path = self._fleet.fleet.targets
        if path is None:
            return
        targets = [
            {"targets": [node.addresses["metrics"]], "labels": {"node": node.name}}
            for node in self._controller.status().nodes
            if "metrics" in node.addresses
        ]
        text = json.dumps(targets, indent=1)
        if text != self._targets:
            with suppress(OSError):
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                write_whole(Path(path), text.encode())
                self._targets = text


class WorkerActor:
    """
    A worker of one node, or of one of its GPUs.

    Ray gives up an actor whose constructor raises: it must not.

    Args:
        name: of the actor.
        node: where it is.
        rest: the sections of the fleet's file that are each worker's: `restart`, `metrics`, `web`.
        controller: the controller's actor.
    """

    def __init__(
        self, name: str, node: NodeFacts, rest: Mapping[str, Any], controller: Any
    ) -> None:
        from streamer.control.metrics.endpoint import serving_metrics
        from streamer.control.web.endpoint import serving_web
        from streamer.core.heap import keep_few_arenas
        from streamer.fleet.load import LoadMeter
        from streamer.fleet.share import ShareHost
        from streamer.fleet.worker import Worker

        log_to_stderr(node.name)
        os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
        keep_few_arenas()
        self._alone = _hold_alone(name)
        clock = SystemClock()
        self._clock = clock
        self._controller = controller
        self._host = ShareHost(rest)
        self._worker = Worker(
            f"{name}/{os.getpid()}", node, self._host, LoadMeter(self._host, clock).read
        )
        self._stack = ExitStack()
        for kind, serving in (("metrics", serving_metrics), ("web", serving_web)):
            try:
                url = self._stack.enter_context(serving(self._host, rest.get(kind)))
            except StreamerError as error:  # its streams are more than what shows them
                logger.error("%s", error)
                self._worker.trouble = str(error)
                continue
            if url is not None:
                self._worker.addresses[kind] = _reachable(url)
        self._inbox: SimpleQueue[Orders] = SimpleQueue()
        self._woken = threading.Event()
        threading.Thread(target=self._run_host, name="streamer-host", daemon=True).start()
        threading.Thread(target=self._talk, name="streamer-talk", daemon=True).start()

    def obey(self, orders: Orders) -> None:
        """Orders that came unasked."""
        self._inbox.put(orders)
        self._woken.set()

    def _run_host(self) -> None:
        try:
            self._host.run()
        except BaseException:
            logger.exception("the streams' host failed: the worker is started again")
        os._exit(1)  # and with it all outputs

    def _talk(self) -> None:
        """Report, obey, and see to the lease: forever, whatever becomes of the messages."""
        calls: list[tuple[Any, int]] = []
        due_ns = 0
        while True:
            self._woken.wait(_TEND_S)
            self._woken.clear()
            try:
                with suppress(Empty):
                    while True:
                        self._worker.obey(self._inbox.get_nowait())
                calls = [call for call in calls if not self._is_answered(*call)]
                now_ns = self._clock.now_ns()
                news = self._worker.tend()
                if (news or now_ns >= due_ns) and len(calls) < _CALLS:
                    due_ns = now_ns + int(self._worker.renew_s * 1e9)
                    calls.append((self._controller.hear.remote(self._worker.report()), now_ns))
            except Exception:  # the lease must be seen to, whatever happens
                logger.exception("the worker stumbled, and goes on")

    def _is_answered(self, call: Any, sent_ns: int) -> bool:
        """Take the answer if it is there; true if none is to be waited for any longer."""
        ready, _ = ray.wait([call], timeout=0)
        if ready:
            with suppress(RayError):  # the controller is being started again
                self._worker.obey(ray.get(call), sent_ns)
            return True
        if self._clock.now_ns() - sent_ns < _CALL_S * 1e9:
            return False
        with suppress(Exception):
            ray.cancel(call)
        return True


def log_to_stderr(node: str) -> None:
    """Have this process's log lines, which Ray keeps in files, say where they come from."""
    from streamer.core import records

    class Formatter(logging.Formatter):
        def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802
            stream, _ = records.origin(record)
            record.message = f"{node}: {f'{stream}: ' if stream else ''}{record.message}"
            return super().formatMessage(record)

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(Formatter("%(asctime)s %(levelname)s %(message)s"))
    ours = logging.getLogger("streamer")
    ours.handlers = [handler]
    ours.setLevel(logging.INFO)
    ours.propagate = False


def _name_of(node: Mapping[str, Any], nodes: list[dict[str, Any]], number: int, gpus: int) -> str:
    """
    A node's name for people: its label `node`, or its address; made unique among machines.

    A node that has died may still be listed for a while beside the one that is its successor.
    """

    def plain(one: Mapping[str, Any]) -> str:
        return str((one.get("Labels") or {}).get("node") or one["NodeManagerAddress"])

    name = plain(node)
    if len({one["NodeManagerAddress"] for one in nodes if plain(one) == name}) > 1:
        name += f"#{node['NodeID'][:6]}"
    return f"{name}/gpu{number}" if gpus > 1 else name


def _hold_alone(name: str) -> Any:
    """
    Wait until no other process is this worker: one that ends may overlap with the one after it.

    Returns the open file, which holds that as long as it lives.
    """
    file = (Path(tempfile.gettempdir()) / f"streamer-{name}.lock").open("w")
    until_s = time.monotonic() + _ALONE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > until_s:
                os._exit(1)  # Ray tries again
            time.sleep(0.05)
        else:
            return file


def _reachable(url: str) -> str:
    """Host and port of *url*, for other machines where it is served for them."""
    host, _, port = url.partition("://")[2].rpartition(":")
    own = get_node_ip_address()  # type: ignore[no-untyped-call]
    return f"{own if host in ('0.0.0.0', '[::]') else host}:{port}"  # noqa: S104


def _store(fleet: Fleet) -> None:
    internal_kv._internal_kv_put(_FLEET_KEY, pickle.dumps(fleet), overwrite=True)


def _stored() -> Fleet | None:
    data = internal_kv._internal_kv_get(_FLEET_KEY)
    return pickle.loads(data) if data else None  # noqa: S301 - who writes there runs code anyway
