"""Where programs that tests start are missing, those tests are skipped, whoever runs them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
NOBODY = 65534
PEERS = ("tests/peers", "-k", "not bare_machine and not mute_server")
"""The mute server needs no program, and is waited for."""
OTHERS = (
    *("tests/unit/cli/test_image.py", "tests/unit/sinks", "tests/unit/serving/rtsp/test_server.py"),
    "tests/unit/models/test_weights_hub.py",
    *(
        "-k",
        "full_disk or fills_up or has_enough or tls or encrypted or preview or key or alpha_of",
    ),
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="packages as Debian has them")


def bare(folder: Path, *tests: str, programs: tuple[str, ...] = (), user: int | None = None) -> str:
    """What pytest says of *tests* where PATH has *programs* only; a failure is one here."""
    path = folder / "bin"
    path.mkdir()
    for program in programs:
        (path / program).symlink_to(str(shutil.which(program)))
    folder.chmod(0o777)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests],
        cwd=REPOSITORY,
        env={
            **{name: value for name, value in os.environ.items() if not name.startswith("PYTEST")},
            "PATH": str(path),
            "HOME": str(folder),
            "TMPDIR": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("who", ["whoever runs this", "nobody"])
def test_without_a_program_the_tests_that_need_it_are_skipped_by_its_name(
    tmp_path: Path, who: str
) -> None:
    if who == "nobody":
        become_nobody(tmp_path)
    # With it root can start what must not run as root, so that alone must not be looked for.
    programs = ("setpriv",) if shutil.which("setpriv") else ()
    said = bare(tmp_path, *PEERS, programs=programs, user=NOBODY if who == "nobody" else None)
    for program, package in (
        ("ffmpeg", "ffmpeg"),
        ("gst-launch-1.0", "gstreamer1.0-tools"),
        ("cvlc", "vlc-bin"),
        ("GStreamer's RTSP server", "gir1.2-gst-rtsp-server-1.0"),
    ):
        assert re.search(
            rf"SKIPPED .*{program} is not installed: apt-get install .*{package}", said
        )


def become_nobody(folder: Path) -> None:
    """Open *folder* to another user; skips where this one cannot become that one and run Python."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    for parent in folder.parents[:3]:
        parent.chmod(parent.stat().st_mode | 0o011)
    try:
        subprocess.run(
            [sys.executable, "-c", "import pytest, tests"],
            cwd=REPOSITORY,
            user=NOBODY,
            check=True,
            capture_output=True,
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this Python, or this checkout, is closed to other users")


def test_what_the_readme_says_of_other_programs_holds_beside_the_peers(tmp_path: Path) -> None:
    assert "SKIPPED" in bare(tmp_path, *OTHERS)
