from pathlib import Path

import cv2
import numpy as np
import pytest

from streamer.cli import calibrating
from streamer.errors import ModelFetchError
from streamer.models.optimizing import optimize as optimizing
from streamer.models.runtime import session
from streamer.models.store import weights
from streamer.models.store.artefacts import Artefact


def test_the_list_names_models_licences_and_what_is_cached(streamer):
    result = streamer("models", "list")
    assert result.exit_code == 0
    assert "isnet" in result.stdout
    assert "rmbg-1.4" in result.stdout


def test_path_prints_the_path_alone(streamer, monkeypatch):
    monkeypatch.setattr(weights, "cached_path", lambda entry, precision: Path("a b/isnet.onnx"))
    result = streamer("models", "path", "isnet")
    assert result.exit_code == 0
    assert result.stdout == f"{Path('a b/isnet.onnx')}\n"


def test_path_of_a_model_that_is_not_here_says_how_to_get_it(streamer, monkeypatch):
    monkeypatch.setattr(weights, "cached_path", lambda entry, precision: None)
    result = streamer("models", "path", "isnet")
    assert result.exit_code == 4
    assert result.stdout == ""
    assert "streamer models pull isnet --precision" in result.stderr


def test_a_misspelt_model_gets_the_nearest_name(streamer):
    result = streamer("models", "path", "isnt")
    assert result.exit_code == 4
    assert "did you mean isnet" in result.stderr


def test_pull_prints_the_licence_and_then_the_path(streamer, monkeypatch):
    def fetch(entry, precision, progress=None):
        progress(0, 4, entry.name)
        progress(4, 4, entry.name)
        path = Path("isnet.onnx")
        path.write_bytes(b"onnx")
        return path

    monkeypatch.setattr(weights, "fetch", fetch)
    result = streamer("models", "pull", "isnet")
    assert result.exit_code == 0
    assert result.stdout == "isnet.onnx\n"
    assert "licence" in result.stderr
    assert result.stderr.count("downloading isnet") == 1


def test_pull_of_auto_takes_what_a_run_would(streamer, monkeypatch):
    def fetch(entry, precision, progress=None):
        if entry.name == "rmbg-1.4":
            raise ModelFetchError("rmbg-1.4: the hub cannot be reached")
        return Path(__file__)

    monkeypatch.setattr(weights, "fetch", fetch)
    result = streamer("models", "pull", "auto")
    assert result.exit_code == 0
    assert result.stdout == f"{__file__}\n"
    assert "cannot be reached; auto is isnet then" in result.stderr
    assert "isnet: licence" in result.stderr
    result = streamer("models", "pull", "rmbg-1.4")
    assert result.exit_code == 4, "what is named is not replaced"


def test_path_of_auto_is_that_of_the_first_that_is_here(streamer, monkeypatch):
    monkeypatch.setattr(
        weights, "cached_path", lambda entry, _: Path("a.onnx") if entry.name == "isnet" else None
    )
    assert streamer("models", "path", "auto").stdout == "a.onnx\n"
    monkeypatch.setattr(weights, "cached_path", lambda entry, _: None)
    result = streamer("models", "path", "auto")
    assert result.exit_code == 4
    assert "streamer models pull rmbg-1.4" in result.stderr


@pytest.fixture
def optimised(monkeypatch, tmp_path):
    """Notes what is asked of the optimiser, which gives an artefact at once."""
    asked = []

    def optimize(model, pictures, **options):
        asked.append((model, pictures, options))
        options["steps"]("folding", 0, 1)
        return Artefact(
            tmp_path / "made",
            {
                "comparisons": [
                    {
                        "size": [1024, 1024],
                        "pictures": 10,
                        "mad": 0.0026,
                        "worst_mad": 0.0058,
                        "iou": 0.9951,
                        "speed_up": 5.04,
                        "shipped_speed_up": 6.0,
                    }
                ],
                "size_multiple": 64,
            },
        )

    monkeypatch.setattr(optimizing, "optimize", optimize)
    return asked


def test_optimize_tells_the_proof_and_prints_the_path_alone(streamer, optimised, tmp_path):
    result = streamer("models", "optimize", "isnet", "--limit", "0.01", "--force")
    assert result.exit_code == 0
    assert result.stdout == f"{tmp_path / 'made' / 'int8.onnx'}\n"
    assert "mean difference 0.0026" in result.stderr
    assert "5.0 times as fast as folded fp32 and 6.0 times" in result.stderr
    assert "any multiple of 64" in result.stderr
    model, pictures, options = optimised[0]
    assert model.name == "isnet"
    assert (options["limit"], options["force"]) == (0.01, True)
    assert "astronaut" in pictures.described


def test_optimize_calibrates_on_the_clip_it_is_given(streamer, optimised, clip):
    result = streamer("models", "optimize", "isnet", "--calibrate", clip)
    assert result.exit_code == 0, result.stderr
    _, pictures, _ = optimised[0]
    assert len(pictures.calibration) >= 5
    assert {image.shape for image in pictures.calibration} == {(720, 1280, 3)}


def test_optimize_calibrates_on_a_single_picture(streamer, optimised, tmp_path):
    cv2.imwrite(str(tmp_path / "cat.png"), np.zeros((8, 16, 3), np.uint8))
    result = streamer("models", "optimize", "isnet", "--calibrate", tmp_path / "cat.png")
    assert result.exit_code == 0, result.stderr
    _, pictures, _ = optimised[0]
    assert [image.shape for image in pictures.calibration] == [(8, 16, 3)]
    assert len(pictures.proof) > 1


def test_optimize_tells_at_once_that_there_is_no_such_clip(streamer, optimised):
    result = streamer("models", "optimize", "isnet", "--calibrate", "nowhere.mp4")
    assert result.exit_code == 3
    assert "nowhere.mp4" in result.stderr
    assert not optimised


def test_optimize_names_the_package_that_is_missing(streamer, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    result = streamer("models", "optimize", "isnet")
    assert result.exit_code == 2
    assert "pip install onnx" in result.stderr


def test_without_pictures_installed_drawn_ones_serve(monkeypatch):
    monkeypatch.setattr(calibrating, "_shipped", lambda package, name: None)
    pictures = calibrating.pictures(None)
    assert pictures.described == "drawn people"
    assert len(pictures.calibration) > 5
    assert len(pictures.proof) > 3
    shown = [image.tobytes() for image in (*pictures.calibration, *pictures.proof)]
    assert len(set(shown)) == len(shown)


def test_what_stands_in_the_proof_has_no_credentials(monkeypatch):
    monkeypatch.setattr(calibrating, "_source", lambda data: None)
    monkeypatch.setattr(calibrating, "_frames", lambda source: [np.zeros((4, 4, 3), np.uint8)] * 3)
    monkeypatch.setattr(calibrating, "_shipped", lambda package, name: None)
    assert "secret" not in calibrating.pictures("rtsp://me:secret@camera/live").described


def test_int8_is_listed_as_something_to_make(streamer):
    result = streamer("models", "list")
    assert "streamer models optimize" in " ".join(result.stdout.split())


def test_a_recurrent_model_is_listed_and_cannot_be_optimised(streamer, tmp_path):
    listed = streamer("models", "list").stdout
    rows = [line for line in listed.splitlines() if line.startswith("rvm-mobilenetv3")]
    assert len(rows) == 1
    assert "GPL-3.0" in rows[0]
    refused = streamer("models", "optimize", "rvm-mobilenetv3")
    assert refused.exit_code == 4
    assert "rvm-mobilenetv3: is recurrent, and runs as it was shipped only" in refused.stderr


def test_the_path_of_int8_that_was_not_made_says_how_to_make_it(streamer):
    result = streamer("models", "path", "isnet", "--precision", "int8")
    assert result.exit_code == 4
    assert "streamer models optimize isnet" in result.stderr


def test_path_takes_what_a_run_would(streamer, monkeypatch):
    made = Artefact(Path("made"), {})
    monkeypatch.setattr(weights, "artefact_of", lambda entry: made)
    monkeypatch.setattr(session, "loadable_providers", lambda: ("cpu",))
    for choice in ("auto", "int8"):
        result = streamer("models", "path", "isnet", "--precision", choice)
        assert result.stdout == f"{Path('made/int8.onnx')}\n"
