import subprocess
import sys
from pathlib import Path

import pytest

from streamer import __version__

ROOT = Path(__file__).parents[3]

COMMANDS = [
    ("run",),
    ("preview",),
    ("image",),
    ("demo",),
    ("cameras",),
    ("doctor",),
    ("models", "list"),
    ("models", "pull"),
    ("models", "path"),
    ("config", "check"),
    ("config", "schema"),
    ("config", "init"),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(streamer, command):
    result = streamer(*command, "--help")
    assert result.exit_code == 0
    assert "Example:" in result.stdout


def test_the_version_is_told(streamer):
    assert streamer("--version").stdout == f"streamer {__version__}\n"


def test_help_loads_nothing_heavy():
    code = (
        "import sys, streamer.cli\n"
        "heavy = {'cv2', 'av', 'onnxruntime', 'pydantic'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)


def test_the_package_runs_as_a_module():
    done = subprocess.run(
        [sys.executable, "-m", "streamer", "--version"],
        check=True,
        timeout=60,
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"streamer {__version__}\n"
