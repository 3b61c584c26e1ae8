"""How many cores there are for us, by files as control groups of both versions have them."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamer.core import cores
from streamer.core.cores import allowed_cores, core_count, core_quota, library_threads


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "allowed_cores", lambda: 8)


def written(root: Path, cgroup: str, **files: str) -> Path:
    """A machine whose `/sys/fs/cgroup` has *files*; `__` in a name stands for `/`."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(cgroup)
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return root


def v1(folder: str, quota: int, period: int = 100_000) -> dict[str, str]:
    return {
        f"{folder}__cpu.cfs_quota_us": f"{quota}\n",
        f"{folder}__cpu.cfs_period_us": f"{period}\n",
    }


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("50000 100000\n", 1),
        ("100000 100000\n", 1),
        ("150000 100000\n", 2),
        ("20000 10000\n", 2),
        ("1000 100000\n", 1),
        ("6400000 100000\n", 8),
        ("200000\n", 2),
        ("max 100000\n", 8),
        ("max\n", 8),
        ("0 100000\n", 8),
        ("1 0\n", 8),
        ("", 8),
        ("nonsense\n", 8),
    ],
)
def test_a_quota_of_version_2_is_rounded_up_and_the_smaller_counts(tmp_path, limit, expected):
    assert core_count(written(tmp_path, "0::/\n", **{"cpu.max": limit})) == expected


@pytest.mark.parametrize(("quota", "expected"), [(50_000, 1), (250_000, 3), (-1, 8), (0, 8)])
def test_so_is_one_of_version_1(tmp_path, quota, expected):
    root = written(tmp_path, "3:cpuset:/\n1:cpu:/\n", **v1("cpu", quota))
    assert core_count(root) == expected


def test_controllers_of_version_1_may_be_mounted_together(tmp_path):
    root = written(tmp_path, "4:cpu,cpuacct:/a\n", **v1("cpu,cpuacct__a", 150_000))
    assert core_quota(root) == 1.5


def test_the_group_and_all_above_it_count(tmp_path):
    files = {
        "cpu.max": "max 100000",
        "pods.slice__cpu.max": "300000 100000",
        "pods.slice__one__cpu.max": "max 100000",
        "pods.slice__other__cpu.max": "10000 100000",
    }
    assert core_count(written(tmp_path, "0::/pods.slice/one\n", **files)) == 3


def test_a_containers_group_is_found_though_its_path_is_the_hosts(tmp_path):
    root = written(tmp_path, "1:cpu:/docker/0123abcd\n", **v1("cpu", 150_000))
    assert core_count(root) == 2


def test_a_path_out_of_the_container_is_not_followed(tmp_path):
    files = {"cpu.max": "200000 100000", "__..__other__cpu.max": "100000 100000"}
    assert core_count(written(tmp_path, "0::/../other\n", **files)) == 2


@pytest.mark.parametrize("limited", ["1", "2", "both"])
def test_of_both_versions_at_once_the_least_counts(tmp_path, limited):
    files = {
        **(v1("cpu__a", 300_000 if limited != "2" else -1)),
        "unified__b__cpu.max": "200000 100000" if limited != "1" else "max 100000",
    }
    root = written(tmp_path, "2:cpu:/a\n1:name=systemd:/\n0::/b\n", **files)
    assert core_count(root) == (3 if limited == "1" else 2)


def test_without_control_groups_all_cores_count(tmp_path):
    assert core_quota(tmp_path) is None
    assert core_count(tmp_path) == 8
    assert core_count(written(tmp_path, "not a line\n::\n0:\n")) == 8


def test_libraries_are_told_only_where_a_quota_leaves_less_than_they_would_take(tmp_path):
    assert library_threads(written(tmp_path / "a", "0::/\n", **{"cpu.max": "max 100000"})) == 0
    assert library_threads(written(tmp_path / "b", "0::/\n", **{"cpu.max": "900000 100000"})) == 0
    assert library_threads(written(tmp_path / "c", "0::/\n", **{"cpu.max": "50000 100000"})) == 1


def test_cores_that_may_be_used_are_those_of_the_affinity(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(cores.os, "process_cpu_count", None, raising=False)
    monkeypatch.delattr(cores.os, "process_cpu_count")
    monkeypatch.setattr(cores.os, "sched_getaffinity", lambda _: {0, 3, 5}, raising=False)
    assert allowed_cores() == 3


def test_from_python_3_13_on_the_interpreter_is_asked(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(cores.os, "process_cpu_count", lambda: 4, raising=False)
    assert allowed_cores() == 4
