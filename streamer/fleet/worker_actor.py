"""A worker as an actor of Ray: its threads, and its messages to and from the controller."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from queue import SimpleQueue
from typing import Any

import ray
from ray.exceptions import RayActorError, RayError

from streamer.core.clock import SystemClock
from streamer.errors import StreamerError
from streamer.fleet.messages import NodeFacts, Orders
from streamer.fleet.processes import hold_alone, log_to_stderr, reachable
from streamer.fleet.watchdog import Watchdog

logger = logging.getLogger("streamer.fleet")

_CALLS = 4
"""Reports on their way at once."""
_CALL_S = 3.0
"""After which one of them is given up."""
_TEND_S = 0.05
_AGAIN_S = 2.0
"""Before a worker that could not begin ends its process."""
_KILLED_S = 0.75
"""After the end of the lease: when the kernel ends a worker that did not do so itself. It must be
after `EARLY_S`, and before the controller's `SAFETY_S`."""


class WorkerActor:
    """
    A worker of one node, or of one of its GPUs.

    Ray gives up an actor whose constructor raises, and starts one again whose process ends.

    Args:
        name: of the actor.
        node: where it is.
        rest: the sections of the fleet's file that are each worker's: `restart`, `metrics`, `web`.
        controller: the controller's actor.
    """

    def __init__(
        self, name: str, node: NodeFacts, rest: Mapping[str, Any], controller: Any
    ) -> None:
        try:
            self._begin(name, node, rest, controller)
        except Exception:
            logger.exception("the worker cannot begin, and is started again")
            time.sleep(_AGAIN_S)
            os._exit(1)

    def _begin(self, name: str, node: NodeFacts, rest: Mapping[str, Any], controller: Any) -> None:
        from streamer.control.metrics.endpoint import serving_metrics
        from streamer.control.web.endpoint import serving_web
        from streamer.core.heap import keep_few_arenas
        from streamer.fleet.load import LoadMeter
        from streamer.fleet.share import ShareHost
        from streamer.fleet.worker import Worker

        log_to_stderr(node.name)
        os.environ.setdefault("OPENCV_LOG_LEVEL", "ERROR")
        keep_few_arenas()
        self._alone = hold_alone(node.name)
        self._watchdog = Watchdog()
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
                place = reachable(url)
                self._worker.addresses[kind] = place if kind == "web" else place.partition("://")[2]
        self._inbox: SimpleQueue[Orders] = SimpleQueue()
        self._woken = threading.Event()
        self._stumbled = ""
        """By what, last."""
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
            with self._going_on():
                while not self._inbox.empty():
                    self._worker.obey(self._inbox.get_nowait())
            with self._going_on():
                calls = [call for call in calls if not self._is_answered(*call)]
            news = False
            with self._going_on():
                news = self._worker.tend()
                self._put_off_its_end()
            now_ns = self._clock.now_ns()
            # A host that hangs must not keep its streams.
            if (news or now_ns >= due_ns) and len(calls) < _CALLS and self._host.alive:
                due_ns = now_ns + int(self._worker.renew_s * 1e9)
                with self._going_on():
                    calls.append((self._controller.hear.remote(self._worker.report()), now_ns))

    @contextmanager
    def _going_on(self) -> Iterator[None]:
        """Log what is raised, and go on: the lease must be seen to, whatever happens."""
        try:
            yield
        except Exception as error:
            if str(error) != self._stumbled:
                logger.exception("the worker stumbled, and goes on")
            self._stumbled = str(error)

    def _put_off_its_end(self) -> None:
        """Have the kernel kill this process soon after its lease ends, unless that is renewed."""
        left_s = self._worker.left_s
        self._watchdog.put_off(None if left_s is None else left_s + _KILLED_S)

    def _is_answered(self, call: Any, sent_ns: int) -> bool:
        """Take the answer if it is there; true if none is to be waited for any longer."""
        ready, _ = ray.wait([call], timeout=0)
        if ready:
            try:
                orders = ray.get(call)
            except RayActorError:  # the controller is being started again
                return True
            except RayError as error:
                logger.error("the controller did not understand: %s", error)
                return True
            self._worker.obey(orders, sent_ns)
            return True
        if self._clock.now_ns() - sent_ns < _CALL_S * 1e9:
            return False
        with suppress(Exception):
            ray.cancel(call)
        return True
