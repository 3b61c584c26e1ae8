"""200 odd pictures through one process: every one cut out or named, and memory bounded."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image as Picture

from streamer.pictures import find, plan, shown
from tests.unit.cli.odd_pictures import MAX_PIXELS, lay_out, rgb

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pipes and links as POSIX has them")

ROOM_MB = 150
"""More than a run on one small picture takes: 75 bytes for each pixel that is allowed."""


def cut_out(inputs, out, model):
    """Run the command; its exit code, standard error's lines, and its peak memory in MB."""
    arguments = ["image", *map(str, inputs), "--out", str(out), "--model", str(model)]
    errors = out.with_suffix(".err")
    with errors.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamer", *arguments, "--max-pixels", str(MAX_PIXELS)],
            cwd=out.parent,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            stdout=subprocess.DEVNULL,
            stderr=file,
        )
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    scale = 1e6 if sys.platform == "darwin" else 1e3
    return process.returncode, errors.read_text().splitlines(), usage.ru_maxrss / scale


def test_every_odd_picture_is_cut_out_or_named_and_memory_is_bounded(tmp_path, make_model):
    folder = tmp_path / "in"
    folder.mkdir()
    made = lay_out(folder)
    assert len(made) >= 200
    rgb().save(tmp_path / "plain.png")
    model = make_model()
    code, _, usual_mb = cut_out([tmp_path / "plain.png"], tmp_path / "out-plain", model)
    assert code == 0

    named = [p for p in made.values() if p.is_file() and p.suffix.lower() not in (".png", ".jpg")]
    inputs = [folder, *named]
    code, lines, peak_mb = cut_out(inputs, tmp_path / "out", model)

    assert code == 3
    assert peak_mb - usual_mb < ROOM_MB
    found, _ = find(map(str, inputs))
    jobs = {job.source: job for job in plan(found, tmp_path / "out")}
    assert set(jobs) == set(made.values())
    complaints = [line for line in lines if line.startswith("error: ")]
    for name, path in made.items():
        told = [line for line in complaints if line.startswith(f"error: {shown(path)}: ")]
        is_cut = jobs[path].cutout.exists()
        assert len(told) == (not is_cut), (name, told)
        assert name.startswith("any") or is_cut == name.startswith("good"), (name, told)
        if is_cut:
            with Picture.open(jobs[path].cutout) as picture:
                assert picture.mode in ("RGBA", "I;16"), name
                picture.load()
    # Nothing of ours, and nothing of a library's, but a line for each.
    expected = ("models optimize", "the first picture is taken")
    others = [
        line
        for line in lines
        if line not in complaints and not any(words in line for words in expected)
    ]
    assert others == []
    assert [path.name for path in (tmp_path / "out").iterdir() if path.suffix != ".png"] == []
