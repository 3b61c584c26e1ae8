"""`python -m training`: draw scenes, train, judge, export."""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from training.learning import Plan, Training, errors_of
from training.network import Corrector, export, parameters_of


def main(argv: Sequence[str] | None = None) -> int:
    """Train to the plan's end, and write the network and what it reached."""
    usual = Plan()
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/training"), help="goes on from there")
    parser.add_argument("--steps", type=int, default=usual.steps, help="of 14 frames each")
    parser.add_argument("--seed", type=int, default=usual.seed)
    parser.add_argument("--processes", type=int, default=1, help="that draw scenes")
    parser.add_argument("--threads", type=int, default=1, help="that learn; sums depend on it")
    parser.add_argument("--judged", type=int, default=100, help="scenes to judge by")
    options = parser.parse_args(argv)
    for name in ("steps", "threads", "judged"):
        if getattr(options, name) < 1:
            parser.error(f"--{name}: {getattr(options, name)} is less than 1")
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    plan = Plan(steps=options.steps, seed=options.seed)
    training = Training(Corrector(), plan, options.out, options.processes)
    training.run()
    network = training.result
    print(f"judging on {options.judged} scenes")
    path = options.out / "carry.onnx"
    export(network, path)
    errors = errors_of(network, options.judged)
    figures = {
        "steps": training.step,
        "parameters": parameters_of(network),
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "errors_e3_by_age": {age: {"carried": one, "corrected": other}
                             for age, (one, other) in errors.items()},
    }  # fmt: skip
    (options.out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    print("frames since the key | carried | corrected, MAD e3")
    for age, (one, other) in errors.items():
        print(f"{age:20d} | {one:7.1f} | {other:7.1f}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
