from streamer.cli.cameras import format_modes
from streamer.sources import cameras
from streamer.sources.cameras import Camera, Mode

MODES = (
    Mode("MJPG", 1280, 720, 60.0),
    Mode("MJPG", 1280, 720, 30.0),
    Mode("YUYV", 640, 480, None),
)


def test_cameras_are_listed_with_their_modes(streamer, monkeypatch):
    monkeypatch.setattr(cameras, "list_cameras", lambda: [Camera(3, "/dev/video3", "Eye", MODES)])
    result = streamer("cameras")
    assert result.exit_code == 0
    for words in ("3", "/dev/video3", "Eye", "MJPG 1280x720 at 60, 30"):
        assert words in result.stdout


def test_each_format_and_size_is_said_once():
    assert format_modes(MODES) == "MJPG 1280x720 at 60, 30; YUYV 640x480"


def test_no_camera_is_said_and_is_no_failure(streamer, monkeypatch):
    monkeypatch.setattr(cameras, "list_cameras", list)
    result = streamer("cameras")
    assert result.exit_code == 0
    assert "no camera found" in result.stderr
