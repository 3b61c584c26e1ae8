"""A graph bound to its tensors: who may use them when."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

import numpy as np
import pytest

from streamer.models.runtime.bound import Bound
from streamer.models.runtime.lending import bound_to
from streamer.models.runtime.runtime import Array, Run, Signature
from streamer.models.runtime.tensors import Tensors
from streamer.models.runtime.turns import Turns, User
from streamer.models.store.registry import Contract
from tests.waiting import wait_for

SIZE = 8, 8
CONTRACT = Contract(None, None, None, (0.0,) * 3, (1.0,) * 3, False)
WHITE = np.full((*SIZE, 3), 255, np.uint8)


class RedRuntime:
    """Its estimate is the red of the picture; on the CPU or not."""

    signature = Signature((1, 3, None, None), np.dtype(np.float32), np.dtype(np.float32), 4)
    providers = ("a fake",)

    def __init__(self, *, on_cpu: bool) -> None:
        self.on_cpu = on_cpu
        self.turns = Turns()

    def turn(self, user: User) -> AbstractContextManager[None]:
        return self.turns.turn(user)

    def bind(self, source: Array, target: Array) -> Run:
        return lambda: np.copyto(target, source[:, :1])


@pytest.mark.parametrize("on_cpu", [False, True])
def test_tensors_are_filled_while_another_has_the_device_unless_it_is_the_cpu(on_cpu: bool) -> None:
    runtime, tensors = RedRuntime(on_cpu=on_cpu), Tensors(SIZE, CONTRACT)
    bound = Bound(runtime, tensors)
    out = np.zeros(SIZE, np.uint8)
    thread = threading.Thread(target=bound.segment, args=(WHITE, out, User()))
    with runtime.turn(User()):
        thread.start()
        wait_for(lambda: runtime.turns.waiting == 1)
        assert bool(tensors.input.any()) is not on_cpu
    thread.join(10)
    assert (out == 255).all()


@pytest.mark.parametrize("on_cpu", [False, True])
def test_those_of_a_cpu_are_shared_and_those_of_a_gpu_are_not(on_cpu: bool) -> None:
    runtime = RedRuntime(on_cpu=on_cpu)
    one, other = (
        bound_to(runtime, SIZE, CONTRACT, normalize=False, smooth=False) for _ in range(2)
    )
    assert (one is other) is on_cpu
