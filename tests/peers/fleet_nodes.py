"""
Nodes of Ray on one machine, each in a network namespace of its own.

Each has two links: one to the other nodes, which alone can be cut, and one to the root namespace,
where a media server listens. Of the namespaces, processes and files nothing is left behind.
"""

from __future__ import annotations

import base64
import importlib.util
import os
import pickle
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import pytest

from streamer.config.fleet import Fleet
from streamer.fleet.status import FleetStatus
from tests.media.command import REPOSITORY, Ended
from tests.peers.installed import require

PATIENCE_S = 60.0
"""Far more than anything takes on a slow machine; only a test that fails waits so long."""
_PORT = 6379
_STORE_BYTES = 78_643_200
_METRICS_PORT = 9464


class RayNodes:
    """
    Nodes by name; the first one is the head.

    Args:
        folder: for all that they write; its path must be short.
        names: of the nodes; each is the value of its label `node`.
        labels: those of each node beside that.
    """

    def __init__(
        self, folder: Path, names: Sequence[str], labels: Mapping[str, Mapping[str, str]]
    ) -> None:
        self.names = tuple(names)
        self._folder = folder
        self._labels = labels
        self._tag = f"{os.getpid() % 100_000}"
        self._net = f"10.{64 + os.getpid() % 128}"
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        home = folder / "home"
        home.mkdir()
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "PYTHONPATH": str(REPOSITORY),
            "OMP_NUM_THREADS": "1",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_worker_niceness": "0",
            "RAY_worker_oom_score_adjustment": "0",
            "RAY_memory_monitor_refresh_ms": "0",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "86400",
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
        }
        self._driver: subprocess.Popen[str] | None = None

    @property
    def address(self) -> str:
        """The head's, for `--address`."""
        return f"{self._ip(self.names[0], 1)}:{_PORT}"

    @property
    def media_host(self) -> str:
        """The root namespace's address that all nodes reach by their second links."""
        return f"{self._net}.2.254"

    def metrics_url(self, name: str) -> str:
        """Where the root namespace reads the metrics of a node's worker."""
        return f"http://{self._ip(name, 2)}:{_METRICS_PORT}/metrics"

    def set_up(self) -> None:
        """Make the namespaces and their links."""
        for net in (1, 2):
            bridge = self._bridge(net)
            _ip("link", "add", bridge, "type", "bridge")
            _ip("link", "set", bridge, "up")
        _ip("addr", "add", f"{self.media_host}/24", "dev", self._bridge(2))
        for name in self.names:
            namespace = self.namespace(name)
            _ip("netns", "add", namespace)
            for net in (1, 2):
                link, inner = self._link(name, net), f"eth{net}"
                _ip("link", "add", link, "type", "veth", "peer", inner, "netns", namespace)
                _ip("link", "set", link, "master", self._bridge(net), "up")
                _ip("-n", namespace, "addr", "add", f"{self._ip(name, net)}/24", "dev", inner)
                _ip("-n", namespace, "link", "set", inner, "up")
            _ip("-n", namespace, "link", "set", "lo", "up")
            # By which Ray finds the machine's own address.
            _ip("-n", namespace, "route", "add", "default", "via", f"{self._net}.1.254")

    def tear_down(self) -> None:
        """End every process of the nodes, and take the namespaces away."""
        for name in self.names:
            with suppress(subprocess.CalledProcessError):
                self.kill(name)
        if self._driver is not None:
            self._driver.wait()
            for pipe in (self._driver.stdin, self._driver.stdout):
                if pipe is not None:
                    with suppress(OSError):
                        pipe.close()
        for name in self.names:
            with suppress(subprocess.CalledProcessError):
                _ip("netns", "del", self.namespace(name))
        for net in (1, 2):
            with suppress(subprocess.CalledProcessError):
                _ip("link", "del", self._bridge(net))

    def start(self, *names: str) -> None:
        """Start Ray on nodes, at the same time; returns once they have joined."""
        starting = [(name, self._start(name)) for name in names]
        for name, process in starting:
            assert process.wait(PATIENCE_S) == 0, self._log(name).read_text()

    def kill(self, name: str) -> None:
        """SIGKILL every process of a node, as if its machine lost power; its kernel lives on."""
        while pids := self._pids(name):
            for pid in pids:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)

    def cut(self, name: str) -> None:
        """Take a node's link to the other nodes away."""
        _ip("link", "set", self._link(name, 1), "down")

    def mend(self, name: str) -> None:
        """Give it back."""
        _ip("link", "set", self._link(name, 1), "up")

    def processes(self, name: str, words: str) -> list[int]:
        """The processes of a node whose command line has *words*, such as an actor's class."""
        found = []
        for pid in self._pids(name):
            with suppress(OSError):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace")
                if words in line:
                    found.append(pid)
        return found

    def streamer(self, *arguments: str) -> Ended:
        """Run `streamer` on the head."""
        began_s = time.monotonic()
        with self.began(*arguments) as process:
            out, err = process.communicate(timeout=PATIENCE_S)
        return Ended(process.returncode, out, err, time.monotonic() - began_s)

    @contextmanager
    def began(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """`streamer` on the head, which is killed at the block's end."""
        process = subprocess.Popen(
            self._command(self.names[0], sys.executable, "-m", "streamer", *arguments),
            env=self.environment | {"RAY_ADDRESS": self.address},
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            try:
                yield process
            finally:
                process.kill()

    def status(self) -> FleetStatus:
        """How the fleet is."""
        found: FleetStatus = self._ask("status")
        return found

    def want(self, fleet: Fleet) -> None:
        """Change the fleet."""
        self._ask("want", fleet)

    def drain(self, node: str, *, draining: bool) -> None:
        """Begin to empty a node, or give it streams again."""
        self._ask("drain", node, draining)

    def stored_bytes(self) -> int:
        """What lies in the object stores of all nodes."""
        return int(self._ask("stored_bytes"))

    def wait_for(
        self, condition: Callable[[FleetStatus], object], within_s: float = PATIENCE_S
    ) -> FleetStatus:
        """The first status that *condition* holds of."""
        until_s = time.monotonic() + within_s
        while not condition(status := self.status()):
            assert time.monotonic() < until_s, status
            time.sleep(0.1)
        return status

    def logs(self, name: str) -> str:
        """What the actors of a node have said."""
        files = sorted((self._folder / name).glob("session_2*/logs/worker-*.err"))
        return "\n".join(file.read_text(errors="replace") for file in files)

    def namespace(self, name: str) -> str:
        """The network namespace of a node."""
        return f"sf{self._tag}-{name}"

    def _ask(self, method: str, *arguments: object) -> Any:
        if self._driver is None:
            self._driver = subprocess.Popen(
                self._command(self.names[0], sys.executable, "-m", __name__, self.address),
                env=self.environment,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        assert self._driver.stdin is not None
        assert self._driver.stdout is not None
        _write(self._driver.stdin, (method, *arguments))
        answer = _read(self._driver.stdout)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def _start(self, name: str) -> subprocess.Popen[bytes]:
        folder = self._folder / name
        labels = {"node": name, **self._labels.get(name, {})}
        if name == self.names[0]:
            which = ["--head", "--port", str(_PORT), "--include-dashboard=false", "--no-monitor"]
        else:
            which = ["--address", self.address]
        arguments = [
            *("--node-ip-address", self._ip(name, 1), "--temp-dir", str(folder)),
            *("--num-cpus", "1", "--object-store-memory", str(_STORE_BYTES)),
            *("--include-log-monitor=false", "--disable-usage-stats"),
            *("--labels", ",".join(f"{label}={value}" for label, value in labels.items())),
        ]
        ray = Path(sys.executable).with_name("ray")
        with self._log(name).open("wb") as log:  # not a pipe, which Ray's processes would keep open
            return subprocess.Popen(
                self._command(name, str(ray), "start", *which, *arguments),
                env=self.environment,
                cwd=self._folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"

    def _command(self, name: str, *command: str) -> list[str]:
        return ["ip", "netns", "exec", self.namespace(name), *command]

    def _pids(self, name: str) -> list[int]:
        return [int(pid) for pid in _ip("netns", "pids", self.namespace(name)).split()]

    def _ip(self, name: str, net: int) -> str:
        return f"{self._net}.{net}.{self.names.index(name) + 1}"

    def _link(self, name: str, net: int) -> str:
        return f"sf{self._tag}{name}{net}"

    def _bridge(self, net: int) -> str:
        return f"sf{self._tag}-{net}"


@contextmanager
def ray_nodes(
    names: Sequence[str], labels: Mapping[str, Mapping[str, str]] | None = None
) -> Iterator[RayNodes]:
    """Nodes of Ray that have started, until the block ends; skips where there can be none."""
    if importlib.util.find_spec("ray") is None:
        pytest.skip("Ray is not installed: pip install 'streamer[fleet]'")
    if os.geteuid() != 0:
        pytest.skip("network namespaces need root: run as root")
    require("ip", "iproute2")
    folder = Path(tempfile.mkdtemp(prefix="sf-", dir="/tmp"))
    try:
        nodes = RayNodes(folder, names, labels or {})
        try:
            try:
                nodes.set_up()
            except subprocess.CalledProcessError as error:
                pytest.skip(f"no network namespaces here: {error.stderr.strip()}")
            nodes.start(names[0])
            nodes.start(*names[1:])
            yield nodes
        finally:
            nodes.tear_down()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _ip(*arguments: str) -> str:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=True)
    return done.stdout


def _write(pipe: IO[str], what: object) -> None:
    pipe.write(base64.b64encode(pickle.dumps(what)).decode() + "\n")
    pipe.flush()


def _read(pipe: IO[str]) -> Any:
    line = pipe.readline()
    assert line, "the process that asks the controller has ended"
    return pickle.loads(base64.b64decode(line))


def _stored_bytes() -> float:
    import ray

    there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
    free: dict[str, float] = ray.available_resources()  # type: ignore[no-untyped-call]
    return there["object_store_memory"] - free.get("object_store_memory", 0.0)


def _answer(address: str) -> None:
    """Ask the controller what comes from stdin, as the process of `RayNodes.status` and others."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Ray prints
    from streamer.fleet.cluster import attached, find_controller

    with attached(address):
        client = None
        for line in sys.stdin:
            method, *arguments = pickle.loads(base64.b64decode(line))
            answer: object
            try:
                client = client or find_controller()
                if method == "stored_bytes":
                    answer = _stored_bytes()
                elif method == "drain":
                    answer = client.drain(arguments[0], draining=arguments[1])  # type: ignore[func-returns-value]
                else:
                    answer = getattr(client, method)(*arguments)
            except Exception as error:
                answer = error
            _write(answers, answer)


if __name__ == "__main__":
    _answer(sys.argv[1])
