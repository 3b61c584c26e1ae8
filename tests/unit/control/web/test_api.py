"""The API of the streams: how they are, and everything that a window's keys do."""

from __future__ import annotations

import io
import json
import math
import threading
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest
from PIL import Image as Pillow

from streamer.config import load_config
from streamer.control.web import uploads
from streamer.control.web.changing import refusal
from streamer.host import Host
from streamer.serving.views import View
from streamer.stream import Stream
from tests.conftest import MakeModel
from tests.unit.control.web.conftest import MakeBox
from tests.unit.control.web.hosting import HEIGHT, LIVE, WIDTH, Page, events, running_page, shown
from tests.waiting import PATIENCE_S, wait_for

ENDING = {"source": {**LIVE["source"], "realtime": False, "frames": 20}}
"""A stream that ends soon."""


def why(answer: httpx.Response, status: int) -> str:
    """What *answer* says, which has that status."""
    assert answer.status_code == status, answer.text
    said = answer.json()
    assert set(said) == {"key", "why"}
    assert "\n" not in said["why"]
    text: str = said["why"]
    return text


def picture(kind: str, size: tuple[int, int] = (320, 200), **options: Any) -> bytes:
    out = io.BytesIO()
    Pillow.new("RGB", size, (200, 30, 30)).save(out, kind, **options)
    return out.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that announces a size, and has next to no data."""
    data = bytearray(picture("PNG", (16, 16)))
    data[16:24] = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


def background(page: Page) -> Path:
    """The file that is the background of `door`."""
    run = page.host.stream("door")
    assert run is not None
    path: str = run.config.compose.background.path  # type: ignore[union-attr]
    return Path(path)


def test_lists_streams_in_their_order(box: MakeBox) -> None:
    with running_page(box(yard={}, door={}, hall={})) as page:
        wait_for(lambda: all(s["size"] for s in page.client.get("/api/streams").json()["streams"]))
        streams = page.client.get("/api/streams").json()["streams"]
    assert [stream["name"] for stream in streams] == ["yard", "door", "hall"]
    assert {stream["state"] for stream in streams} == {"running"}
    assert streams[0]["size"] == [WIDTH, HEIGHT]


def test_shows_a_stream_with_what_may_be_changed(page: Page) -> None:
    shown = page.show()
    assert shown["name"] == "door"
    assert shown["settings"]["refine"]["threshold"] == 0.5
    assert shown["settings"]["source"]["fps"] == 20
    assert shown["models"] == [shown["settings"]["model"]["name"]]
    assert shown["cameras"] == []
    assert shown["layout"] in shown["layouts"]
    assert shown["change"] == 0


def test_figures_are_recent_ones(page: Page) -> None:
    wait_for(lambda: page.show()["fps"] > 0 and page.show()["latency_ms"]["end_to_end"]["p50"])


def test_there_is_no_stream_of_another_name(page: Page) -> None:
    for path in ("", "/snapshot.png", "/config.yaml", "/live.mjpeg"):
        assert "nope" in why(page.client.get(f"/api/streams/nope{path}"), 404)
    assert "nope" in why(page.patch({}, "nope"), 404)
    for verb in ("pause", "start", "stop"):
        assert "nope" in why(page.post(verb, stream="nope"), 404)
    assert "nope" in why(page.post("background", picture("PNG"), "nope"), 404)


def test_a_stream_that_has_not_run_yet_is_shown_and_does_nothing(box: MakeBox) -> None:
    with shown(Host(box())) as page:
        stream = page.show()
        assert (stream["state"], stream["size"], stream["layouts"]) == ("starting", None, [])
        why(page.patch({"refine.threshold": 0.6}), 409)
        why(page.post("pause"), 409)
        why(page.post("background", picture("PNG")), 409)
        why(page.client.get("/api/streams/door/snapshot.png"), 409)
        why(page.client.get("/api/streams/door/config.yaml"), 409)


def test_options_are_the_schemas_of_what_may_be_changed(page: Page) -> None:
    options = page.client.get("/api/options").json()
    threshold = options["refine.threshold"]
    assert (threshold["exclusiveMinimum"], threshold["maximum"]) == (0, 1)
    assert threshold["description"]
    assert "$ref" not in json.dumps(options)
    assert "preprocess.output" not in options, "is fixed while a stream runs"


def test_every_option_is_among_the_settings_and_may_be_set_to_what_it_is(page: Page) -> None:
    settings = page.show()["settings"]
    for key in page.client.get("/api/options").json():
        section, _, name = key.partition(".")
        answer = page.patch({key: settings[section][name]})
        assert answer.status_code == 200, answer.text


def test_a_change_is_made_as_a_whole(page: Page) -> None:
    answer = page.patch({"refine.threshold": 0.7, "compose.background": "blur"})
    assert answer.json() == {"number": 1}
    settings = page.show()["settings"]
    assert settings["refine"]["threshold"] == 0.7
    assert settings["compose"]["background"]["type"] == "blur"
    assert page.show()["change"] == 1


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"refine.threshold": 7}, "refine.threshold"),
        ({"refine.threshold": math.nan}, "refine.threshold"),
        ({"refine.nope": 1}, "nope"),
        ({"refine": {"threshold": "much"}}, "refine.threshold"),
        ({"compose.background": {"type": "image"}}, "path"),
        ({"compose": None}, "compose"),
        ({"matting": {"mode": "sometimes"}}, "matting.mode"),
        ({"preprocess.roi": [[5000, 5000, 16, 16]]}, "roi"),
        ({"source.fps": -1}, "source.fps"),
        ({"model.name": "/etc/passwd"}, "model.name"),
        ({"model": {"name": "/etc/passwd"}}, "model"),
        ({"model": ["x"]}, "model"),
        ({"compose.background": {"type": "image", "path": "/etc/passwd"}}, "not named from here"),
        ({"compose": {"background": {"type": "video", "path": "/x"}}}, "not named from here"),
        ({"compose.background.path": "/etc/passwd"}, "not named from here"),
        ({"compose.background": {"x": [{"path": "/etc/passwd"}]}}, "not named from here"),
    ],
)
def test_what_is_not_valid_is_refused_and_changes_nothing(
    page: Page, changes: dict[str, object], said: str
) -> None:
    wait_for(lambda: page.show()["size"])
    changes = {"refine.feather_px": 3, **changes}
    answer = page.client.patch(
        "/api/streams/door",
        content=json.dumps(changes),
        headers={"Content-Type": "application/json"},
    )
    assert said in why(answer, 422)
    assert page.show()["change"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"sinks": []},
        {"sinks.0.path": "/etc/passwd"},
        {"name": "other"},
        {"pipeline.stall_s": 1},
        {"standby.after_s": 1},
        {"model.providers": ["cpu"]},
        {"preprocess.output": "cropped"},
        {"preprocess": {"output": "cropped", "roi": [[0, 0, 16, 16]]}},
        {"source": {"type": "file", "path": "/etc/passwd"}},
        {"source.type": "usb"},
        {"source.path": "/etc/passwd"},
        {"source.url": "rtsp://10.0.0.1/"},
        {"source.width": 128},
        {"": 1},
        {".": 1},
    ],
)
def test_what_is_fixed_is_refused_as_such(page: Page, changes: dict[str, object]) -> None:
    why(page.patch(changes), 409)
    assert page.show()["change"] == 0


def test_cameras_are_chosen_by_index_and_not_by_path() -> None:
    assert refusal({"source.device": 1}, ()) is None
    assert refusal({"source.device": "/dev/sda"}, ()) is not None
    assert refusal({"source.device": "some camera"}, ()) is not None


def test_a_model_that_is_being_loaded_keeps_others_from_it(page: Page) -> None:
    """All at once: one is made, the others are told that it cannot be now."""
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(page.patch, [{"matting.mode": "tracked"}] * 8))
    assert {answer.status_code for answer in answers} <= {200, 409}
    assert answers[0].status_code == 200 or 200 in {answer.status_code for answer in answers}
    assert page.show()["mode"] == "tracked"
    assert page.show()["change"] == 1


def test_a_matting_that_is_not_valid_is_no_matter_of_time(page: Page) -> None:
    assert "grid" in why(page.patch({"matting.mode": "every_frame", "matting.grid": 1}), 422)


def test_changes_of_many_at_once_are_all_counted(page: Page) -> None:
    thresholds = [{"refine.threshold": number / 100} for number in range(1, 41)]
    with ThreadPoolExecutor(8) as pool:
        numbers = [answer.json()["number"] for answer in pool.map(page.patch, thresholds)]
    assert sorted(numbers) == list(range(1, 41))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe\x00",
        b'{"refine.threshold": 0.6',
        b"[]",
        b"null",
        b"7",
        b'{"refine.threshold": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"refine.threshold": ' + b"[" * 900 + b"]" * 900 + b"}",
        b'{"refine": ' + b'{"x":' * 900 + b"1" + b"}" * 901,
        b'{"refine.threshold": 1' + b"0" * 400 + b"}",
        b'{"refine.threshold": 1e999}',
        b'{"refine.threshold": -Infinity}',
        b'{"compose.overlay.colour": "' + b"x" * 60_000 + b'"}',
        b'{"compose.overlay.colour": "\\ud800"}',
        b'{"refine.\\ud800": 1}',
        b'{"refine.threshold": 0.6, "refine.threshold": 7}',
        b'{"preprocess.roi": [' + b"[0,0,16,16]," * 5_000 + b"[0,0,16,16]]}",
        b'{"refine' + b".x" * 20_000 + b'": 1}',
        b'{"refine": {"' + b"x" * 60_000 + b'": 1}}',
        b"{" + b",".join(b'"refine.x%d": 1' % number for number in range(3000)) + b"}",
    ],
    ids=lambda body: f"{body[:30]!r} {len(body)}",
)
def test_a_body_that_makes_no_sense_is_refused_in_a_line(page: Page, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    answer = page.client.patch("/api/streams/door", content=body, headers=headers)
    assert len(why(answer, 422)) < 2100
    assert page.show()["change"] == 0


def test_a_variable_of_the_environment_is_not_filled_in(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_TEST_SECRET", "hunter22")
    answer = page.patch({"compose.overlay.colour": "${STREAMER_TEST_SECRET}"})
    assert "hunter22" not in why(answer, 422)


def test_a_change_is_told_to_other_browsers(page: Page) -> None:
    with page.client.stream("GET", "/api/events") as response:
        told = events(response)
        assert next(told)[0] == "status"
        page.patch({"refine.threshold": 0.7})
        change = next(data for kind, data in told if kind == "ChangeMade")
        assert change == {"stream": "door", "number": 1, "keys": ["refine.threshold"]}
        page.patch({"refine.threshold": 7})
        refused = next(data for kind, data in told if kind == "ChangeRefused")
        assert (refused["stream"], refused["key"]) == ("door", "refine.threshold")


def test_a_pause_holds_the_stream_until_it_is_resumed(page: Page) -> None:
    assert page.post("pause").json()["paused"] is True
    assert page.show()["paused"] is True
    assert page.post("resume").json()["paused"] is False


def test_a_stream_is_stopped_and_started(page: Page) -> None:
    for _ in range(2):  # what is so already is no error
        assert page.post("stop").status_code == 200
    wait_for(lambda: page.show()["state"] == "stopped")
    assert page.show()["settings"], "they are still shown"
    why(page.client.get("/api/streams/door/snapshot.png"), 409)
    for verb in ("pause", "resume", "record", "trigger", "reopen"):
        why(page.post(verb), 409)
    assert page.show()["fps"] == 0
    assert page.patch({"refine.threshold": 0.7}).status_code == 200, "its next run has it"
    emitted = page.show()["frames"]["emitted"]
    for _ in range(2):
        assert page.post("start").status_code == 200
    wait_for(lambda: page.show()["frames"]["emitted"] > emitted)
    assert page.show()["settings"]["refine"]["threshold"] == 0.7
    assert (page.show()["state"], page.show()["restarts"]) == ("running", 0)


def test_one_that_is_being_started_takes_no_change_that_would_be_lost(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, made = threading.Event(), Stream.from_config

    def slowly(*parts: Any, **options: Any) -> Stream:
        go_on.wait(PATIENCE_S)
        return made(*parts, **options)

    monkeypatch.setattr(Stream, "from_config", slowly)
    page.post("stop")
    wait_for(lambda: page.show()["state"] == "stopped")
    page.post("start")
    wait_for(lambda: page.show()["state"] == "starting")
    assert "is being started" in why(page.patch({"refine.threshold": 0.7}), 409)
    assert "is being started" in why(page.post("background", picture("PNG")), 409)
    go_on.set()
    wait_for(lambda: page.show()["state"] == "running")


@pytest.mark.parametrize("verb", ["release", "reopen", "record", "stop-recording", "trigger"])
def test_a_verb_that_nothing_answers_to_is_refused(page: Page, verb: str) -> None:
    why(page.post(verb), 409)


def test_there_are_no_other_verbs(page: Page) -> None:
    why(page.post("explode"), 422)
    why(page.client.get("/api/streams/door/pause"), 405)


def test_a_recording_is_switched(box: MakeBox, tmp_path: Path) -> None:
    path = str(tmp_path / "film.mkv")
    record = {"type": "record", "path": path, "from_start": False}
    with running_page(box(door={"sinks": [record]})) as page:
        assert page.show()["recording"] is False
        assert page.post("record").json()["recording"] is True
        wait_for(lambda: Path(path).exists())
        assert page.post("stop-recording").json()["recording"] is False


def test_a_trigger_takes_a_picture(box: MakeBox, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    images = {"type": "images", "path": str(folder), "when": "trigger"}
    with running_page(box(door={"sinks": [images]})) as page:
        assert page.post("trigger").json()["triggers"] == 1
        wait_for(lambda: folder.exists() and any(folder.glob("*.png")))


def test_a_snapshot_is_a_png_with_alpha(page: Page) -> None:
    answer = page.client.get("/api/streams/door/snapshot.png")
    assert answer.headers["content-type"] == "image/png"
    assert "door.png" in answer.headers["content-disposition"]
    with Pillow.open(io.BytesIO(answer.content)) as picture:
        assert (picture.mode, picture.size) == ("RGBA", (WIDTH, HEIGHT))


def test_snapshots_of_many_are_of_few_frames(page: Page) -> None:
    def take(_: int) -> bytes:
        return page.client.get("/api/streams/door/snapshot.png").content

    with ThreadPoolExecutor(8) as pool:
        taken = set(pool.map(take, range(8)))
    assert all(one.startswith(b"\x89PNG") for one in taken)


def test_a_stream_that_has_ended_says_so_instead_of_a_snapshot(box: MakeBox) -> None:
    with running_page(box(door=ENDING, hall={})) as page:
        wait_for(lambda: page.show()["state"] == "ended")
        assert "does not run" in why(page.client.get("/api/streams/door/snapshot.png"), 409)
        assert page.patch({"refine.threshold": 0.6}).status_code in (200, 409)
        for verb in ("pause", "resume", "acquire"):
            assert page.post(verb).status_code in (200, 409)


def test_a_file_that_is_paused_says_so_instead_of_a_snapshot(page: Page) -> None:
    page.post("pause")
    wait_for(lambda: page.show()["fps"] == 0)
    assert "is paused" in why(page.client.get("/api/streams/door/snapshot.png"), 409)
    page.post("resume")
    assert page.client.get("/api/streams/door/snapshot.png").status_code == 200


def test_a_stream_that_ends_meanwhile_says_so_instead_of_a_snapshot(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = page.host.stream("door")
    assert run is not None
    asked = threading.Event()

    def take(self: View) -> list[Future[bytes]]:
        if self._stills:
            asked.set()
        return []

    monkeypatch.setattr(View, "take_stills", take)
    answers: list[httpx.Response] = []
    asking = threading.Thread(
        target=lambda: answers.append(page.client.get("/api/streams/door/snapshot.png"))
    )
    asking.start()
    assert asked.wait(PATIENCE_S)
    run.stop()
    asking.join()
    assert "does not run" in why(answers[0], 409)


def test_the_configuration_can_be_loaded_and_has_no_secret(
    box: MakeBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = {"type": "rtsp", "serve": "rtsp://me:hunter22@127.0.0.1:0/door"}
    with running_page(box(door={"sinks": [relay]})) as page:
        page.patch({"refine.threshold": 0.7})
        answer = page.client.get("/api/streams/door/config.yaml")
    assert answer.headers["content-type"].startswith("application/yaml")
    assert "hunter22" not in answer.text
    (tmp_path / "door.yaml").write_text(answer.text)
    for line in answer.text.split("${")[1:]:
        monkeypatch.setenv(line.partition("}")[0], "rtsp://me:other@127.0.0.1:0/door")
    assert load_config(tmp_path / "door.yaml").refine.threshold == 0.7


def test_settings_have_no_secrets_paths_and_addresses(box: MakeBox, tmp_path: Path) -> None:
    (tmp_path / "beach.png").write_bytes(picture("PNG"))
    beach = {"background": {"type": "image", "path": str(tmp_path / "beach.png")}}
    camera = {"type": "rtsp", "url": "rtsp://me:hunter22@127.0.0.1:1/x"}
    with running_page(box(door={"source": camera, "compose": beach}, hall={})) as page:
        shown = page.client.get("/api/streams/door").text
    assert "hunter22" not in shown
    assert "beach" not in shown


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_becomes_the_background(page: Page, kind: str) -> None:
    assert page.post("background", picture(kind)).json() == {"number": 1}
    assert page.show()["settings"]["compose"]["background"] == {"type": "image"}
    with Pillow.open(background(page)) as kept:
        assert kept.size == (320, 200)
        red, green, blue = np.asarray(kept).reshape(-1, 3).mean(0)
        assert red > 180
        assert max(green, blue) < 60


def test_a_picture_is_turned_upright_and_keeps_nothing_but_its_pixels(page: Page) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = 6
    exif[0x010E] = "where I live"
    page.post("background", picture("JPEG", exif=exif))
    with Pillow.open(background(page)) as kept:
        assert kept.size == (200, 320)
        assert "exif" not in kept.info
    assert b"where I live" not in background(page).read_bytes()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"junk",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff",
        b"RIFF\x00\x00\x00\x00WEBP",
        picture("PNG")[:-30],
        picture("JPEG")[:400],
        picture("GIF"),
        picture("TIFF"),
        png_header(0, 0),
    ],
    ids=lambda data: repr(data[:12]),
)
def test_what_is_no_whole_picture_is_refused(page: Page, data: bytes) -> None:
    why(page.post("background", data), 422)
    assert page.show()["change"] == 0


@pytest.mark.parametrize("size", [(30_000, 30_000), (8_000, 5_001), (2**31 - 1, 2**31 - 1)])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    page: Page, size: tuple[int, int]
) -> None:
    why(page.post("background", png_header(*size)), 413)


def test_a_file_of_too_many_bytes_is_refused(page: Page) -> None:
    why(page.post("background", bytes((10 << 20) + 1)), 413)


def test_pictures_that_come_at_once_are_all_taken(page: Page) -> None:
    sizes = [(64 + number, 64) for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda size: page.post("background", picture("PNG", size)), sizes)
        assert {answer.status_code for answer in answers} == {200}


def test_few_pictures_are_kept_and_those_in_use_among_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path))
    used = uploads.keep(picture("PNG", (16, 16)))
    for number in range(40):
        latest = uploads.keep(picture("PNG", (17 + number, 16)), {str(used)})
    kept = set(used.parent.iterdir())
    assert {used, latest} <= kept
    assert len(kept) == 33


def test_a_model_is_switched_by_its_name(
    box: MakeBox, make_model: MakeModel, tmp_path: Path
) -> None:
    with running_page(box()) as page:
        (name,) = page.show()["models"]
        assert page.patch({"model.name": name}).status_code == 200
        why(page.patch({"model.name": str(make_model("other.onnx"))}), 422)
