"""Virtual time: who gets how much of the cores."""

from __future__ import annotations

import math

import pytest

from streamer.evaluation.live.cores import Cores, Load


def ends(cores: Cores) -> dict[str, float]:
    """When each of the jobs that run ends, if no other begins."""
    found = {}
    while (next_s := cores.next_end_s()) != math.inf:
        found |= dict.fromkeys(cores.advance(next_s), cores.now_s)
    return found


def test_a_job_alone_takes_its_time():
    cores = Cores(2)
    cores.start("a", Load(3.0))
    assert ends(cores) == {"a": 3.0}


def test_with_more_jobs_than_cores_all_go_on_slower():
    cores = Cores(1)
    cores.start("a", Load(1.0))
    cores.start("b", Load(2.0))
    assert ends(cores) == pytest.approx({"a": 2.0, "b": 3.0})


def test_a_job_of_many_threads_takes_the_cores_that_are_free():
    cores = Cores(4)
    cores.start("a", Load(1.0))
    cores.start("model", Load(6.0, threads=4, gives_way=True))
    # Three cores while the other runs, and then four.
    assert ends(cores) == pytest.approx({"a": 1.0, "model": 1.75})


def test_what_gives_way_gets_little_where_all_cores_are_wanted_but_not_nothing():
    cores = Cores(1)
    cores.start("a", Load(1.0))
    cores.start("model", Load(1.0, gives_way=True))
    found = ends(cores)
    assert found["a"] == pytest.approx(1.003)
    assert found["model"] == pytest.approx(2.0)


def test_it_is_known_how_much_of_a_core_each_thread_of_a_job_gets():
    cores = Cores(2)
    cores.start("a", Load(4.0))
    cores.start("model", Load(2.0, threads=2, gives_way=True))
    assert cores.share("model") is None, "too early to tell"
    cores.advance(1.0)
    assert cores.share("model") == pytest.approx((0.5, 1.0), abs=0.01)
    assert cores.share("nothing") is None


def test_where_no_core_is_idle_all_takes_longer():
    cores = Cores(2, crowding=1.5)
    cores.start("a", Load(1.0))
    cores.start("b", Load(2.0))
    assert ends(cores) == pytest.approx({"a": 1.5, "b": 2.5})


@pytest.mark.parametrize("order", [("a", "b", "model"), ("model", "a", "b"), ("b", "model", "a")])
def test_the_order_of_beginning_does_not_matter(order):
    cores = Cores(2, crowding=1.15)
    for name in order:
        if name == "model":
            cores.start(name, Load(1.0, threads=2, gives_way=True))
        else:
            cores.start(name, Load(1.0))
    assert ends(cores)["a"] == pytest.approx(1.15 * 1.003)


def test_what_works_apart_takes_no_core():
    cores = Cores(1)
    cores.start("model", Load(0.5, apart=True))
    cores.start("a", Load(1.0))
    assert ends(cores) == {"model": 0.5, "a": 1.0}


def test_a_job_that_begins_later_shares_what_is_left():
    cores = Cores(1)
    cores.start("a", Load(2.0))
    assert cores.advance(1.0) == []
    cores.start("b", Load(0.5))
    assert ends(cores) == pytest.approx({"b": 2.0, "a": 2.5})
    with pytest.raises(ValueError, match="runs already"):
        cores.start("c", Load(1.0)), cores.start("c", Load(1.0))
