from pathlib import Path

from streamer.segmentation import weights


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
