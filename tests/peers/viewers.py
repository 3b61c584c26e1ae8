"""Real players as viewers: each watches for a number of frames and tells what it got."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Protocol

import av
import pytest

from tests.peers.installed import require

TIMEOUT_S = 20
_VLC = "vlc-bin vlc-plugin-base"


@dataclass(frozen=True)
class Seen:
    """What a player got."""

    size: tuple[int, int]
    times_s: list[float]
    """Presentation times of its frames, as it had them."""

    def complete(self, fps: int) -> float:
        """The share of frames that it got of those sent between its first and its last."""
        span = round((self.times_s[-1] - self.times_s[0]) * fps) + 1
        return len(self.times_s) / span

    def rises(self) -> bool:
        return all(a < b for a, b in zip(self.times_s, self.times_s[1:], strict=False))


class Viewer(Protocol):
    """Watches *frames* frames of *codec* at *url*, over `tcp` or `udp`."""

    def __call__(self, url: str, codec: str, transport: str, frames: int, folder: Path) -> Seen: ...


def run(
    command: list[str],
    package: str,
    excused: Callable[[str], bool] = lambda printed: False,
    *,
    unprivileged: bool = False,
    **environment: str,
) -> str:
    """
    What *command* prints, both outputs together; skips where it is not installed.

    Unprivileged: as another user where we are root, for programs that refuse to run as root.
    """
    require(command[0], package)
    if unprivileged and os.geteuid() == 0:
        require("setpriv", "util-linux")
        command = ["setpriv", "--reuid=65534", "--clear-groups", *command]
    done = subprocess.run(
        command,
        check=False,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
        text=True,
        env=os.environ | environment,
    )
    assert done.returncode == 0 or excused(done.stdout), done.stdout[-2000:]
    return done.stdout


def ffmpeg(url: str, codec: str, transport: str, frames: int, folder: Path) -> Seen:
    """Decodes, and prints each frame's time and check sum."""
    # FFmpeg's first frame from any RTSP server has no time of its own, only a guessed one.
    frames += 1
    command = ["ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", url, "-map", "0:v"]
    command += ["-frames:v", str(frames), "-fps_mode", "passthrough"]
    text = run([*command, "-enc_time_base", "1:90000", "-f", "framecrc", "-"], "ffmpeg")
    size = re.search(r"#dimensions 0: (\d+)x(\d+)", text)
    base = re.search(r"#tb 0: (\d+)/(\d+)", text)
    assert size, text
    assert base, text
    unit = Fraction(int(base[1]), int(base[2]))
    rows = [line.split(",") for line in text.splitlines() if line.startswith("0,")]
    return Seen((int(size[1]), int(size[2])), [float(int(row[2]) * unit) for row in rows[1:]])


def ffprobe(url: str, transport: str) -> dict[str, dict[str, str]]:
    """What the description says, by kind of stream."""
    entries = "stream=codec_type,codec_name,width,height,r_frame_rate,sample_rate,channels"
    command = ["ffprobe", "-v", "error", "-rtsp_transport", transport]
    text = run([*command, "-show_entries", entries, "-of", "compact=p=0", url], "ffmpeg")
    streams = [dict(f.split("=", 1) for f in line.split("|")) for line in text.split()]
    return {stream["codec_type"]: stream for stream in streams}


def gstreamer(url: str, codec: str, transport: str, frames: int, folder: Path) -> Seen:
    """Decodes with rtspsrc's own jitter buffer, and prints what passes."""
    short = {"h264": "h264", "hevc": "h265"}[codec]
    pipeline = (
        f"rtspsrc location={url} protocols={transport} latency=200 "
        f"! rtp{short}depay ! {short}parse ! avdec_{short} "
        f"! identity eos-after={frames + 1} silent=false name=probe ! fakesink sync=false"
    )
    command = ["gst-launch-1.0", "-v", *pipeline.split()]
    text = run(command, "gstreamer1.0-tools gstreamer1.0-libav", _cancelled_its_own_pause)
    size = re.search(r"probe.*caps = video/x-raw.*width=\(int\)(\d+), height=\(int\)(\d+)", text)
    assert size, text[-2000:]
    stamps = re.findall(r"chain .*? pts: (\d+):(\d+):([\d.]+)", text)
    times_s = [int(h) * 3600 + int(m) * 60 + float(s) for h, m, s in stamps]
    return Seen((int(size[1]), int(size[2])), times_s)


def _cancelled_its_own_pause(printed: str) -> bool:
    """
    Whether GStreamer saw all it wanted, and failed only by cancelling its own last request.

    At its end rtspsrc sends PAUSE from one thread while another cancels it, to close. Cancelled in
    the middle of the send, GStreamer 1.22 takes that for a connection that was lost
    (`writev_bytes` in gstrtspconnection.c); with its own server too.
    """
    watching, end, closing = printed.partition("Got EOS from element")
    reasons = re.findall(r"ERROR: .*\n.*\n.*\n(.*)", closing)
    own = {"Could not send message. (Received end-of-file)"}
    return bool(end) and "ERROR" not in watching and set(reasons) == own


def vlc(url: str, codec: str, transport: str, frames: int, folder: Path) -> Seen:
    """
    Records a transport stream; skips where VLC was built without its RTSP client, live555.

    Without `--clock-synchro=0` it would bend the times to when the frames arrived, and set them
    back by a frame's length once its buffer is full; from GStreamer's server likewise.
    """
    if not vlc_speaks_rtsp():
        pytest.skip("this VLC has no RTSP client: tests/peers/vlc_rtsp.sh fetches one that has")
    # pytest's own folders are closed to the user that VLC runs as.
    with tempfile.TemporaryDirectory() as own:
        Path(own).chmod(0o777)
        film = Path(own, "vlc.ts")
        command = ["cvlc", "-I", "dummy", url, *(["--rtsp-tcp"] if transport == "tcp" else [])]
        command += [f"--sout=#std{{access=file,mux=ts,dst={film}}}"]
        command += ["--clock-synchro=0", f"--run-time={frames // 50 + 1}", "vlc://quit"]
        run(command, _VLC, unprivileged=True, HOME=own)
        with av.open(str(film)) as container:
            stream = container.streams.video[0]
            times_s = [float(p.pts * stream.time_base) for p in container.demux(stream) if p.size]
            return Seen((stream.width, stream.height), times_s)


def vlc_speaks_rtsp() -> bool:
    """Whether the VLC that is installed has its RTSP client. Skips where there is none."""
    return "live555" in run(["cvlc", "--list"], _VLC, unprivileged=True)
