"""A recurrent graph with the inputs and outputs of RobustVideoMatting, and how it is registered."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from streamer.models.store.registry import Contract, ModelEntry, ModelFile, Recurrence, UrlSource

CONTRACT = Contract(
    "src",
    "pha",
    None,
    (0.0, 0.0, 0.0),
    (1.0, 1.0, 1.0),
    logits=False,
    recurrence=Recurrence((("r1i", "r1o"), ("r2i", "r2o")), "downsample_ratio", 512),
)


def write_recurrent(path: Path) -> Path:
    """
    Alpha is half of the picture's mean over the channels and half of the state, times the ratio.

    The state goes on as that sum; a second one, of another shape, counts the frames and is added
    nowhere.
    """
    any_size = [1, 3, "height", "width"]
    state = [1, "channels", "state_height", "state_width"]
    inputs = {"src": any_size, "r1i": state, "r2i": state, "downsample_ratio": [1]}
    outputs = {"fgr": any_size, "pha": [1, 1, "height", "width"], "r1o": None, "r2o": None}
    half = onnx.numpy_helper.from_array(np.float32(0.5).reshape(1), "half")
    ones = onnx.numpy_helper.from_array(np.ones((1, 4, 2, 2), np.float32), "ones")
    nodes = [
        helper.make_node("ReduceMean", ["src"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Add", ["mean", "r1i"], ["sum"]),
        helper.make_node("Mul", ["sum", "half"], ["r1o"]),
        helper.make_node("Mul", ["r1o", "downsample_ratio"], ["pha"]),
        helper.make_node("Add", ["r2i", "ones"], ["r2o"]),
        helper.make_node("Identity", ["src"], ["fgr"]),
    ]
    graph = helper.make_graph(
        nodes,
        "recurrent",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [
            helper.make_tensor_value_info(n, TensorProto.FLOAT, s or ["a", "b", "c", "d"])
            for n, s in outputs.items()
        ],
        [half, ones],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def registered(path: Path, url: str) -> ModelEntry:
    """The model at *path* as one that is fetched from *url*."""
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    file = ModelFile("recurrent.onnx", len(content), digest, UrlSource(url))
    return ModelEntry("recurrent", "a test", "MIT", "free for any use", CONTRACT, {"fp32": file})
