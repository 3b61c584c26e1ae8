import inspect
import io
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as Picture

from streamer.cli.image import _check_stdout, image
from streamer.errors import ConfigError

PIXELS = np.full((8, 8, 3), (40, 120, 200), np.uint8)


class FakeRemover:
    """Keeps the left half of a picture."""

    fallback = None
    made = 0

    def __init__(self, model, *, normalize, progress):
        type(self).made += 1

    def alpha(self, image):
        assert image.dtype == np.uint8
        matte = np.zeros(image.shape[:2], np.uint8)
        matte[:, : matte.shape[1] // 2] = 255
        return matte

    def __enter__(self):
        return self

    def __exit__(self, *details):
        pass


@pytest.fixture
def pictures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("streamer.remover.BackgroundRemover", FakeRemover)
    monkeypatch.setattr(FakeRemover, "made", 0)
    for name in ("a.png", "in/a.png", "in/b.png", "in/x/c.png"):
        Path(name).parent.mkdir(exist_ok=True)
        cv2.imwrite(name, PIXELS)
    Path("bad.png").write_bytes(b"not a picture")


def stored(path):
    return cv2.imread(str(path), cv2.IMREAD_UNCHANGED)


def files(folder):
    return {str(p.relative_to(folder)) for p in Path(folder).rglob("*") if p.is_file()}


def test_a_cutout_has_transparency_and_the_mask_stands_beside_it(streamer, pictures):
    result = streamer("image", "a.png", "--out", "out", "--mask")
    assert result.exit_code == 0, result.output
    assert result.stdout == "1 of 1 pictures cut out into out\n"
    cutout, mask = stored("out/a.png"), stored("out/a-mask.png")
    assert (cutout[:, :4] == (40, 120, 200, 255)).all()
    assert (cutout[:, 4:] == 0).all()
    assert mask.shape == (8, 8)
    assert (mask[:, :4] == 255).all()
    assert (mask[:, 4:] == 0).all()


def test_a_cutout_can_be_on_black_and_without_a_mask(streamer, pictures):
    assert streamer("image", "a.png", "--out", "out", "--cutout", "rgb_on_black").exit_code == 0
    assert files("out") == {"a.png"}
    cutout = stored("out/a.png")
    assert (cutout[:, :4] == PIXELS[:, :4]).all()
    assert (cutout[:, 4:] == 0).all()


@pytest.mark.parametrize(("text", "colour"), [("white", 255), ("#ff0102", (2, 1, 255))])
def test_the_background_can_be_a_colour(streamer, pictures, text, colour):
    assert streamer("image", "a.png", "--out", "out", "--background", text).exit_code == 0
    cutout = stored("out/a.png")
    assert (cutout[:, :4] == PIXELS[:, :4]).all()
    assert (cutout[:, 4:] == colour).all()


def test_the_background_can_be_a_picture(streamer, pictures):
    cv2.imwrite("beach.png", np.full((30, 50, 3), (9, 80, 170), np.uint8))
    assert streamer("image", "a.png", "--out", "out", "--background", "beach.png").exit_code == 0
    cutout = stored("out/a.png")
    assert (cutout[:, :4] == PIXELS[:, :4]).all()
    assert (cutout[:, 4:] == (9, 80, 170)).all()


def test_formats_have_their_suffixes_and_quality_counts(streamer, pictures):
    assert streamer("image", "a.png", "--out", "out", "--format", "webp").exit_code == 0
    with Picture.open("out/a.webp") as picture:
        assert (picture.format, picture.mode) == ("WEBP", "RGBA")
    sizes = []
    for quality in (10, 95):
        arguments = ("--format", "jpeg", "--background", "white", "--quality", quality)
        assert streamer("image", "a.png", "--out", "out", *arguments).exit_code == 0
        sizes.append(Path("out/a.jpg").stat().st_size)
    assert sizes[0] < sizes[1]
    with Picture.open("out/a.jpg") as picture:
        assert picture.format == "JPEG"


def test_transparency_is_never_silently_flattened(streamer, pictures):
    result = streamer("image", "a.png", "--out", "out", "--format", "jpeg")
    assert result.exit_code == 2
    assert "--format jpeg: holds no transparency: add --background" in result.stderr
    assert not Path("out").exists()
    arguments = ("--format", "jpeg", "--cutout", "rgb_on_black")
    assert streamer("image", "a.png", "--out", "out", *arguments).exit_code == 0
    assert files("out") == {"a.jpg"}


def test_two_ways_at_once_are_refused(streamer, pictures):
    result = streamer(
        "image", "a.png", "--out", "out", "--background", "red.png", "--cutout", "rgba"
    )
    assert result.exit_code == 2
    assert "--cutout and --background are two ways" in result.stderr


def test_a_background_that_is_neither_is_refused(streamer, pictures):
    result = streamer("image", "a.png", "--out", "out", "--background", "redd")
    assert result.exit_code == 2
    assert "neither black, white, green, #rrggbb nor a picture: redd: no such file" in result.stderr


def test_soft_edges_can_have_clean_colours(streamer, pictures, monkeypatch):
    monkeypatch.setattr(
        "streamer.compositing.stills.foreground_of", lambda image, alpha: np.full_like(image, 77)
    )
    assert streamer("image", "a.png", "--out", "out", "--colours", "clean").exit_code == 0
    assert (stored("out/a.png")[:, :4, :3] == 77).all()


def test_profile_exif_and_sixteen_bits_come_through(streamer, pictures):
    from tests.unit.cli.odd_pictures import chunk
    from tests.unit.pictures.test_reading import wide_profile

    deep = PIXELS.astype(np.uint16) * 201
    exif = Picture.Exif()
    exif[0x0112], exif[0x010F] = 3, "Maker"
    png = cv2.imencode(".png", deep)[1].tobytes()
    png = png[:33] + chunk(b"eXIf", exif.tobytes()[6:]) + png[33:]
    Path("deep.png").write_bytes(png)
    with Picture.open("a.png") as picture:
        picture.save("wide.jpg", icc_profile=wide_profile())
    assert streamer("image", "deep.png", "wide.jpg", "--out", "out").exit_code == 0
    cutout = stored("out/deep.png")
    assert cutout.dtype == np.uint16
    assert (cutout[:, :4, :3] == deep[:, :4]).all()
    with Picture.open("out/deep.png") as picture:
        assert dict(picture.getexif()) == {0x0112: 1, 0x010F: "Maker"}
    with Picture.open("out/wide.png") as picture:
        assert picture.info["icc_profile"] == wide_profile()


def test_a_bad_picture_is_reported_in_a_line_and_the_others_are_done(streamer, pictures):
    result = streamer("image", "bad.png", "none.png", "a.png", "--out", "out")
    assert result.exit_code == 3
    assert result.stderr.splitlines() == [
        "error: none.png: no such picture, nor a folder or glob that holds any",
        "error: bad.png: not a picture that can be read, or a damaged one",
    ]
    assert "1 of 3 pictures" in result.stdout
    assert files("out") == {"a.png"}


def test_what_no_file_can_hold_is_left_out(streamer, pictures):
    Picture.new("RGB", (1_000_001, 1)).save("wide.bmp")
    result = streamer("image", "a.png", "wide.bmp", "in/b.png", "--out", "out")
    assert result.exit_code == 3
    assert "error: wide.bmp: 1000001x1 pixels: png holds at most 1000000 a side\n" in result.stderr
    assert "2 of 3 pictures" in result.stdout
    assert files("out") == {"a.png", "b.png"}


def test_what_is_larger_than_allowed_is_left_out(streamer, pictures):
    result = streamer("image", "a.png", "--out", "out", "--max-pixels", 63)
    assert result.exit_code == 3
    assert "a.png: too large: 8x8 pixels, and 63 are allowed" in result.stderr


def test_what_lacks_memory_is_left_out(streamer, pictures, monkeypatch):
    def fail(self, image):
        raise MemoryError

    monkeypatch.setattr(FakeRemover, "alpha", fail)
    result = streamer("image", "a.png", "--out", "out")
    assert result.exit_code == 3
    assert "a.png: 8x8 pixels: not enough memory" in result.stderr


def test_no_input_is_ever_overwritten(streamer, pictures):
    before = Path("in/a.png").read_bytes()
    assert streamer("image", "in", "a.png", "--out", "in").exit_code == 0
    assert Path("in/a.png").read_bytes() == before
    assert files("in") == {"a.png", "b.png", "a-2.png", "a-3.png", "b-2.png", "x/c.png"}


def test_folders_in_folders_and_their_structure(streamer, pictures):
    assert streamer("image", "in", "-r", "--out", "flat").exit_code == 0
    assert files("flat") == {"a.png", "b.png", "c.png"}
    assert streamer("image", "in", "-r", "--keep-structure", "--out", "same").exit_code == 0
    assert files("same") == {"a.png", "b.png", "x/c.png"}


def test_a_second_run_resumes_what_is_missing_or_older(streamer, pictures):
    assert streamer("image", "in", "--out", "out").exit_code == 0
    os.utime("in/a.png", (2e9, 2e9))
    kept = Path("out/b.png").stat().st_mtime_ns
    result = streamer("image", "in", "--out", "out", "--resume")
    assert result.stdout == "2 of 2 pictures cut out into out, 1 of them before\n"
    assert Path("out/b.png").stat().st_mtime_ns == kept
    assert FakeRemover.made == 2


def test_where_nothing_is_left_to_do_no_model_is_loaded(streamer, pictures):
    assert streamer("image", "in", "--out", "out", "--mask").exit_code == 0
    result = streamer("image", "in", "--out", "out", "--mask", "--resume")
    assert (result.exit_code, FakeRemover.made) == (0, 1)
    assert "2 of 2 pictures cut out into out, 2 of them before" in result.stdout


@pytest.mark.parametrize("inputs", [["in"], ["in/x", "-r"], ["in", "-r", "--keep-structure"]])
def test_results_among_the_pictures_cannot_be_resumed(streamer, pictures, inputs):
    out = "in/x" if inputs[0] == "in/x" else "in"
    result = streamer("image", *inputs, "--out", out, "--resume")
    assert result.exit_code == 2
    assert f"--resume: {out} holds pictures to work on" in result.stderr
    assert files("in") == {"a.png", "b.png", "x/c.png"}


def test_the_limit_is_that_of_the_library():
    from streamer.pictures import MAX_PIXELS

    assert inspect.signature(image).parameters["max_pixels"].default == MAX_PIXELS


def test_nothing_to_do_exits_with_3(streamer, pictures):
    assert streamer("image", "none.png", "--out", "out").exit_code == 3


def test_a_folder_that_cannot_be_made_is_told_before_the_model_is_loaded(streamer, pictures):
    result = streamer("image", "a.png", "--out", "bad.png")
    assert result.exit_code == 5
    assert "bad.png: is a file: choose another folder" in result.stderr
    assert FakeRemover.made == 0


def test_a_result_that_cannot_have_its_name_is_told_and_the_others_are_done(streamer, pictures):
    Path("out/a.png").mkdir(parents=True)
    result = streamer("image", "in", "--out", "out")
    assert result.exit_code == 3
    assert "error: out/a.png: is a folder" in result.stderr
    assert "1 of 2 pictures" in result.stdout
    assert files("out") == {"b.png"}


def test_a_home_is_expanded_and_an_empty_name_is_no_folder(streamer, pictures, tmp_path):
    (tmp_path / "home").mkdir()
    cv2.imwrite(str(tmp_path / "home" / "beach.png"), PIXELS)
    arguments = ("--out", "~/out", "--background", "~/beach.png")
    assert streamer("image", "a.png", *arguments).exit_code == 0
    assert files("home") == {"beach.png", "out/a.png"}
    assert not Path("~").exists()
    result = streamer("image", "a.png", "", "--out", "out")
    assert (result.exit_code, files("out")) == (3, {"a.png"})
    result = streamer("image", "a.png", "--out", "")
    assert result.exit_code == 2
    assert "--out: an empty name: write . for this folder" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="names as POSIX has them")
def test_nothing_of_a_name_reaches_the_terminal_raw(streamer, pictures):
    folder = Path("o\x1b[31m")
    (folder / "a\nb.png").mkdir(parents=True)
    Path("a.png").rename("a\nb.png")
    result = streamer("image", "a\nb.png", "--out", folder)
    assert r"error: o\x1b[31m/a\nb.png: is a folder" in result.stderr
    assert r"pictures cut out into o\x1b[31m" in result.stdout
    assert "\x1b" not in result.output
    cv2.imwrite(str(folder / "c.png"), PIXELS)
    result = streamer("image", folder, "--out", folder, "--resume")
    assert r"--resume: o\x1b[31m holds pictures" in result.stderr


def test_a_full_disk_ends_it_with_5_and_no_part_is_left(streamer, pictures, small_disk):
    noise = np.random.default_rng(0).integers(0, 256, (900, 1200, 3), np.uint8)
    cv2.imwrite("noise.png", noise)
    result = streamer("image", "noise.png", "a.png", "--out", small_disk)
    assert result.exit_code == 5
    assert "noise.png: the disk is full" in result.stderr
    assert list(small_disk.iterdir()) == []


@pytest.mark.parametrize("extra", [["--mask"], ["--resume"], ["in"]])
def test_standard_output_takes_one_picture(streamer, pictures, extra):
    result = streamer("image", "a.png", *extra, "--out", "-")
    assert result.exit_code == 2
    assert "--out -: takes one picture" in result.stderr


def command(*arguments):
    return [sys.executable, "-m", "streamer", "image", *map(str, arguments)]


def test_a_picture_goes_from_standard_input_to_standard_output(tmp_path, make_model):
    jpeg = io.BytesIO()
    Picture.fromarray(np.full((20, 30, 3), 200, np.uint8)).save(jpeg, "JPEG")
    result = subprocess.run(
        command("-", "--out", "-", "--model", make_model()),
        input=jpeg.getvalue(),
        capture_output=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        check=False,
    )
    assert result.returncode == 0, result.stderr
    with Picture.open(io.BytesIO(result.stdout)) as picture:
        assert (picture.format, picture.mode, picture.size) == ("PNG", "RGBA", (30, 20))
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="/dev/full, as Linux has it")
@pytest.mark.parametrize(
    ("streams", "code", "told"),
    [
        ("<a.png >/dev/full", 5, "error: standard output: the disk is full"),
        ("<a.png >&-", 5, "error: --out -: standard output is closed"),
        ("<&- >out.png", 3, "error: standard input is closed"),
    ],
)
def test_standard_streams_that_are_full_or_closed_are_told(
    tmp_path, make_model, streams, code, told
):
    cv2.imwrite(str(tmp_path / "a.png"), PIXELS)
    line = shlex.join(command("-", "--out", "-", "--model", make_model()))
    result = subprocess.run(
        ["/bin/sh", "-c", f"{line} {streams}"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        check=False,
    )
    assert result.returncode == code
    assert told in result.stderr


def test_a_terminal_gets_no_picture(monkeypatch):
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    with pytest.raises(ConfigError, match="would fill the terminal: write > FILE"):
        _check_stdout(1, mask=False, resume=False)


def test_standard_input_that_is_no_picture_is_named(streamer, pictures):
    result = streamer("image", "-", "--out", "out")
    assert result.exit_code == 3
    assert "standard input: not a picture" in result.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="signals as POSIX has them")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_an_interruption_leaves_no_half_file(tmp_path, make_model, name):
    noise = np.random.default_rng(0).integers(0, 256, (500, 700, 3), np.uint8)
    (tmp_path / "in").mkdir()
    cv2.imwrite(str(tmp_path / "in" / "0.png"), noise)
    for number in range(1, 500):
        (tmp_path / "in" / f"{number}.png").hardlink_to(tmp_path / "in" / "0.png")
    out = tmp_path / "out"
    process = subprocess.Popen(
        command(tmp_path / "in", "--out", out, "--model", make_model(), "--mask"),
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 30
    while not (out.is_dir() and any(out.glob("*.png"))) and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.Signals[name])
    _, err = process.communicate(timeout=30)
    assert process.returncode == 128 + signal.Signals[name]
    assert err.endswith("interrupted\n")
    done = list(out.iterdir())
    assert 0 < len(done) < 1000
    assert [path.name for path in done if path.suffix != ".png"] == []
    for path in done:
        with Picture.open(path) as picture:
            picture.load()


@pytest.mark.parametrize("name", ["moves.gif", "moves.webp", "pages.tif"])
def test_a_note_says_that_the_first_of_several_pictures_is_taken(streamer, pictures, name):
    first, second = (Picture.new("RGB", (8, 8), colour) for colour in ("red", "blue"))
    first.save(name, save_all=True, append_images=[second])
    result = streamer("image", name, "a.png", "--out", "out")
    assert result.exit_code == 0, result.output
    notes = [line for line in result.stderr.splitlines() if line.startswith("note:")]
    kind = "several pages" if name == "pages.tif" else "an animation"
    assert notes == [f"note: {name}: {kind}: the first picture is taken"]


def test_heic_in_a_folder_is_named_with_the_way_out_and_code_3(streamer, pictures, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Path("in/photo.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(12) + b"mif1heic")
    result = streamer("image", "in", "--out", "out")
    assert result.exit_code == 3, result.output
    assert "error: in/photo.heic: HEIC is not read: convert it" in result.stderr
    assert "pip install streamer[pictures]" in result.stderr
    assert files("out") == {"a.png", "b.png"}
