"""
Controller and workers as actors of Ray, which starts them, watches their processes, and carries
their messages. No frame goes through it.

An actor's class is imported by the process that runs it, so every node has this package, in this
version.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from streamer.config.fleet import Fleet
from streamer.core.writing import write_whole
from streamer.errors import ConfigError, StreamerError, redact
from streamer.fleet.controller import Controller
from streamer.fleet.messages import NodeFacts, Orders, Report
from streamer.fleet.processes import log_to_stderr, reachable
from streamer.fleet.status import FleetStatus
from streamer.fleet.stored import forget_fleet, next_generation, store_fleet, stored_fleet
from streamer.fleet.worker_actor import WorkerActor

logger = logging.getLogger("streamer.fleet")

NAMESPACE = "streamer"
CONTROLLER = "controller"
_OF_WORKERS = ("restart", "metrics", "web")
"""Sections of the fleet's file that are each worker's own."""
_TICK_S = 1.0
_SILENT_S = 60.0
"""After which a worker that says nothing is hired again, if Ray has given it up."""
_LOOK_S = 5.0
"""That one look may take, before workers are ended without its end."""
_STAFF_S = 5.0
"""Between two looks at the nodes that there are."""
_GATHER_S = 20.0
"""That the first streams wait at most for all nodes, or the first node would get most of them."""


class ControllerActor:
    """
    The controller of the fleet that is stored: one for the whole cluster.

    It takes no arguments, for Ray keeps large ones with who gave them, and that command ends.
    """

    def __init__(self) -> None:
        log_to_stderr("controller")
        again = bool(ray.get_runtime_context().was_current_actor_reconstructed)
        self._fleet = fleet = stored_fleet()
        self._controller = Controller(fleet, again=again, began_us=next_generation())
        self._staffed: dict[str, Any] = {}
        """The actors of workers, by name."""
        self._heard_s: dict[str, float] = {}
        """When each was hired or heard of last."""
        self._targets: tuple[str, str] | None = None
        """What Prometheus was told last, and where; or why it could not be."""
        self._page = ExitStack()
        self._gather_until_s = 0.0 if again else time.monotonic() + _GATHER_S
        self._wake, self._ended = threading.Event(), threading.Event()
        self._show()
        self._looking = threading.Thread(target=self._look, name="streamer-nodes", daemon=True)
        self._looking.start()
        self._thread = threading.Thread(target=self._run, name="streamer-fleet", daemon=True)
        self._thread.start()

    def hear(self, report: Report) -> Orders:
        """A worker's report; answered by its orders."""
        orders = self._controller.hear(report)
        if report.news:
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
        for key in ("page", "nodes"):
            if getattr(fleet.fleet, key) != getattr(self._fleet.fleet, key):
                raise ConfigError(
                    f"fleet.{key}: is fixed while the fleet runs: streamer fleet stop, then run"
                )
        self._controller.want(fleet)
        self._fleet = fleet
        store_fleet(fleet)
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
        nothing = self._fleet.model_copy(update={"streams": {}})
        store_fleet(nothing)
        self._controller.want(nothing)
        self._wake.set()

    def end_workers(self) -> None:
        """End the workers, for good."""
        self._ended.set()
        self._thread.join()
        self._looking.join(_LOOK_S)
        self._page.close()  # or it would keep its port from the next controller for a moment
        for actor in list(self._staffed.values()):
            ray.kill(actor)
        forget_fleet()

    def _look(self) -> None:
        """See which nodes there are, in a thread of its own: Ray may take long to say."""
        while not self._ended.wait(_STAFF_S if self._staffed else 0.1):
            try:
                self._staff()
                self._tell_prometheus()
                self._show()
            except Exception:  # Ray's own store may be away for a while
                logger.exception("nodes could not be looked for")

    def _run(self) -> None:
        while not self._ended.is_set():
            self._wake.wait(_TICK_S)
            self._wake.clear()
            try:
                if self._gathers():
                    continue
                for worker in self._controller.tick():
                    self._push(worker)
            except Exception:  # one that can be wrong must not end the fleet
                logger.exception("the controller stumbled, and goes on")

    def _gathers(self) -> bool:
        """Whether the first workers are still waited for."""
        if time.monotonic() < self._gather_until_s:
            hearing = sum(node.hears for node in self._controller.status().nodes)
            if hearing < max(1, len(self._staffed)):
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
        heard = {node.worker.partition("/")[0] for node in self._controller.status().nodes}
        now_s = time.monotonic()
        self._heard_s.update(dict.fromkeys(heard, now_s))
        for name in list(self._staffed):
            silent_s = now_s - self._heard_s.get(name, now_s)
            if name not in needed or silent_s > _SILENT_S:  # Ray may have given it up
                del self._staffed[name]
        for name in needed.keys() - self._staffed.keys():
            self._heard_s[name] = now_s
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
            .remote(name, facts, rest, ray.get_actor(CONTROLLER, NAMESPACE))
        )

    def _show(self) -> None:
        """Serve the fleet's page, unless it is; tried again later where it cannot be."""
        config, controller = self._fleet.fleet.page, self._controller
        if config is None or controller.page:
            return
        from streamer.fleet.overview import serving_overview

        try:
            url = self._page.enter_context(serving_overview(controller, config))
            controller.page, controller.trouble = reachable(url), ""
        except Exception as error:  # the streams are more than what shows them
            trouble = redact(str(error) or repr(error))
            if trouble != controller.trouble:
                logger.error("%s", trouble, exc_info=not isinstance(error, StreamerError))
            controller.trouble = trouble

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
        if (path, text) == self._targets:
            return
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            write_whole(Path(path), text.encode())
            self._targets = path, text
        except OSError as error:
            why = error.strerror or type(error).__name__  # without a temporary file's name
            if self._targets != (path, why):
                logger.error("fleet.targets: %s: %s", path, why)
            self._targets = path, why


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
