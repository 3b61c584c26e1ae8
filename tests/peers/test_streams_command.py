"""`streamer run` with several streams: real viewers stay while their stream's file changes."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import numpy as np
import yaml

from tests.conftest import MakeModel
from tests.media.command import Command, pictures
from tests.peers.media_servers import free_port
from tests.peers.rtsp_camera import RtspCamera
from tests.peers.screen import Picture, Screen
from tests.peers.test_relay_command import ROOM, SUBJECT, bar, is_offered, rises


def is_on(colour: tuple[int, int, int], picture: Picture) -> bool:
    """Whether the room is *colour*, BGR, and the subject is not."""
    room = [np.abs(bar(picture, column) - colour).max() for column in ROOM]
    subject = [np.abs(bar(picture, column) - colour).max() for column in SUBJECT]
    return max(room) < 24 and min(subject) > 60


def is_on_black(picture: Picture) -> bool:
    return is_on((0, 0, 0), picture)


def is_on_green(picture: Picture) -> bool:
    return is_on((0, 255, 0), picture)


def test_a_viewer_stays_while_background_and_recordings_change(
    make_model: MakeModel, tmp_path: Path
) -> None:
    command = Command(tmp_path)
    port = free_port()
    relay = {"type": "rtsp", "layout": "composite", "serve": f"rtsp://127.0.0.1:{port}/{{stream}}"}
    film = {"type": "record", "path": "door.mp4", "layout": "composite"}
    url = f"rtsp://127.0.0.1:{port}/door"
    with RtspCamera(pattern="smpte") as camera:
        box = {
            "defaults": {
                "model": {"name": str(make_model(gain=8.0))},
                "source": {"type": "rtsp", "url": camera.url},
                "sinks": [relay],
            },
            "streams": {"door": {}, "hall": {"compose": {"background": "white"}}},
        }
        file = tmp_path / "box.yaml"

        def write(**door: object) -> None:
            box["streams"]["door"] = door
            beside = file.with_suffix(".new")
            beside.write_text(yaml.safe_dump(box))
            beside.replace(file)

        write()
        arguments = ["run", "box.yaml", "--watch", "--report", str(command.report_file)]
        with command.start(*arguments) as running:
            running.wait_for(lambda: is_offered(url))
            with Screen(url) as screen:
                screen.wait_for(is_on_black, 5)
                write(compose={"background": "#00ff00"})
                screen.wait_for(is_on_green, 5)
                file.write_text("streams: {door: {source: {type: nothing}}}\n")
                screen.wait_for(is_on_green, 25)
                write(compose={"background": "#00ff00"}, sinks=[relay, film])
                running.wait_for((tmp_path / "door.mp4").exists)
                screen.wait_for(is_on_green, 25)
                write(compose={"background": "#00ff00"}, sinks=[relay])
                screen.wait_for(is_on_green, 25)
                running.send(signal.SIGTERM)
                ended = running.wait()
            assert screen.wait_end() == 0
    assert ended.code == 0, ended.err
    assert "everything stays as it was" in ended.err
    report = json.loads(command.report_file.read_text())["streams"]
    (sink,) = report["door"]["sinks"]
    assert sink["viewers_in_all"] == 1, "it never had to come again"
    assert report["door"]["restarts"] == report["hall"]["restarts"] == 0
    assert report["door"]["reconnects"] == 0
    assert rises(screen.times_s)
    assert all(is_on_black(picture) or is_on_green(picture) for picture in screen.pictures)
    assert all(is_on_green(picture) for picture in pictures(tmp_path / "door.mp4"))
