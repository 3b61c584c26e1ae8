"""A source and a sink that another package brings, by the recipe of CONTRIBUTING."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Literal

import pytest

from streamer.config import (
    DiscardSinkConfig,
    SinkBase,
    SourceBase,
    SyntheticSourceConfig,
    kinds_of,
    made_by,
    parse_config,
    register,
    type_of,
)

SINK = '''
"""Writes the mean of each picture into a text file."""

from pathlib import Path
from typing import Literal

from streamer.config import SinkBase
from streamer.errors import SinkError


class MeansSinkConfig(SinkBase):
    """The mean of each picture, a line each."""

    MADE_BY = "means:make"

    type: Literal["means"]
    path: str
    """The text file."""


def make(config, making):
    return MeansSink(making.path(config.path), making.composer(config))


class MeansSink:
    name = "means"

    def __init__(self, path: Path, composer):
        self._path, self._composer, self._lines = path, composer, []

    def open(self, info):
        if self._path.exists():
            raise SinkError(f"{self._path}: is there already")

    def write(self, frame, matte):
        self._lines.append(f"{self._composer.picture_of(frame, matte).mean():.1f}")

    def close(self):
        self._path.write_text("\\n".join(self._lines))

    def statistics(self):
        return {"type": self.name, "frames": len(self._lines)}
'''
SOURCE = '''
"""A few grey pictures."""

import time
from fractions import Fraction
from typing import Literal

from streamer.config import SourceBase
from streamer.errors import EndOfStream
from streamer.frame import Grab, StreamInfo


class GreySourceConfig(SourceBase):
    """Grey pictures."""

    MADE_BY = "grey:GreySource"

    type: Literal["grey"]
    level: int = 128


class GreySource:
    def __init__(self, config):
        self._config, self._count = config, 0
        self.name = "grey"

    def open(self):
        return StreamInfo("grey", 64, 48, Fraction(30), Fraction(1, 30), live=False)

    def read(self, out):
        if self._count == 5:
            raise EndOfStream
        self._count += 1
        out.fill(self._config.level)
        return Grab(self._count - 1, Fraction(1, 30), time.monotonic_ns())

    def close(self):
        pass
'''
CONFIG = """
name: box
source: {type: grey, level: 90}
model: {name: MODEL, providers: [cpu]}
sinks:
  - {type: means, path: "{stream}.txt", layout: source}
"""


@pytest.fixture
def installed(tmp_path: Path, make_model, request: pytest.FixtureRequest) -> Path:
    """A folder with the two modules and the metadata of a package that names them."""
    (tmp_path / "means.py").write_text(SINK)
    (tmp_path / "grey.py").write_text(SOURCE)
    (tmp_path / "box.yaml").write_text(CONFIG.replace("MODEL", str(make_model(size=32))))
    info = tmp_path / "means-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: means\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[streamer.sinks]\nmeans = means:MeansSinkConfig\n\n"
        "[streamer.sources]\ngrey = grey:GreySourceConfig\n"
    )
    return tmp_path


def streamer(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = "import sys; sys.path.insert(0, '.'); from streamer.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", line, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
    )


def test_what_an_installed_package_brings_runs_from_a_file(installed: Path) -> None:
    run = streamer(installed, "run", "box.yaml")
    assert run.returncode == 0, run.stderr
    assert (installed / "box.txt").read_text().split() == ["90.0"] * 5


def test_its_options_are_checked_as_all_are(installed: Path) -> None:
    run = streamer(installed, "run", "box.yaml", "--set", "source.level=dark")
    assert run.returncode == 2
    assert "source.level: 'dark' is not a whole number" in run.stderr
    run = streamer(installed, "run", "box.yaml", "--set", "sinks.0.type=mean")
    assert run.returncode == 2
    assert "means" in run.stderr, "and the one that is meant is proposed"


def test_editors_know_it(installed: Path) -> None:
    run = streamer(installed, "config", "schema")
    assert run.returncode == 0, run.stderr
    assert "The mean of each picture, a line each." in run.stdout
    assert "Grey pictures." in run.stdout


def test_its_errors_are_those_of_any_sink(installed: Path) -> None:
    (installed / "box.txt").touch()
    run = streamer(installed, "run", "box.yaml")
    assert run.returncode == 5
    assert "box.txt: is there already" in run.stderr


def test_a_package_that_cannot_be_loaded_is_named_and_costs_no_other(installed: Path) -> None:
    points = installed / "means-1.0.dist-info" / "entry_points.txt"
    points.write_text("[streamer.sinks]\nbroken = broken:Sink\n" + points.read_text()[17:])
    (installed / "broken.py").write_text("import no_such_module")
    assert streamer(installed, "run", "box.yaml").returncode == 0
    assert "Grey pictures." in streamer(installed, "config", "schema").stdout
    run = streamer(installed, "run", "box.yaml", "--set", "sinks.0.type=broken")
    assert run.returncode == 2
    assert "broken of an installed package cannot be loaded" in run.stderr
    assert "no_such_module" in run.stderr
    assert "Traceback" not in run.stderr


def test_one_whose_maker_is_missing_is_a_mistake_in_a_line(installed: Path) -> None:
    text = (installed / "means.py").read_text()
    (installed / "means.py").write_text(text.replace('"means:make"', '"means:makes"'))
    run = streamer(installed, "run", "box.yaml")
    assert run.returncode == 2
    assert "type: means: what makes it cannot be had: module 'means' has no attribute" in run.stderr
    (installed / "means.py").write_text(text.replace('    MADE_BY = "means:make"\n', ""))
    run = streamer(installed, "run", "box.yaml")
    assert run.returncode == 2
    assert "its class names no maker" in run.stderr


def test_a_program_registers_its_own(installed: Path) -> None:
    script = """
import sys
sys.path.insert(0, ".")
import grey, means
from streamer import Pipeline
from streamer.config import parse_config, register
register(grey.GreySourceConfig)
register(means.MeansSinkConfig)
register(means.MeansSinkConfig)
import yaml
print(Pipeline.from_config(parse_config(yaml.safe_load(open("box.yaml")), name="box")).run())
"""
    (installed / "means-1.0.dist-info" / "entry_points.txt").unlink()
    run = subprocess.run([sys.executable, "-c", script], cwd=installed, capture_output=True)
    assert run.returncode == 0, run.stderr


def test_no_two_kinds_have_one_name() -> None:
    class Another(DiscardSinkConfig):
        """Takes the name of one that is there."""

    with pytest.raises(ValueError, match="discard is another's"):
        register(Another)


def test_what_cannot_be_registered_leaves_all_as_it_was() -> None:
    class Words(SinkBase):
        """Its type is any text."""

        MADE_BY = "a:b"

    class Unknown(SinkBase):
        """Has an option of a type that is nowhere."""

        MADE_BY = "a:b"

        type: Literal["unknown"]
        option: "Nowhere"  # type: ignore[name-defined] # noqa: F821, UP037

    before = kinds_of(SinkBase)
    with pytest.raises(ValueError, match="Words: its type is to be a Literal of one word"):
        register(Words)
    with pytest.raises(ValueError, match=r"type: unknown: .*Nowhere"):
        register(Unknown)
    assert kinds_of(SinkBase) == before
    parse_config({"source": {"type": "synthetic"}, "sinks": [{"type": "discard"}]})


@pytest.mark.parametrize("kind", [*kinds_of(SourceBase), *kinds_of(SinkBase)], ids=type_of)
def test_every_kind_has_a_maker(kind) -> None:
    assert callable(made_by(kind))


def test_the_kinds_that_are_built_in_are_known() -> None:
    assert SyntheticSourceConfig in kinds_of(SourceBase)
    assert DiscardSinkConfig in kinds_of(SinkBase)
