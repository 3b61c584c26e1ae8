import pytest
from typer.testing import CliRunner

from streamer.cli import app, driving


@pytest.fixture
def streamer(tmp_path, monkeypatch):
    """Runs `streamer ARGS…` in an empty folder; the result has exit_code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    runner = CliRunner()
    return lambda *args: runner.invoke(app, [str(arg) for arg in args])


@pytest.fixture(autouse=True)
def made_fast(monkeypatch):
    """The models that a faster file would have been made of first, which takes a minute."""
    seen = []
    monkeypatch.setattr(driving, "make_fast", seen.append)
    return seen
