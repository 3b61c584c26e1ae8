import pytest

from streamer.cli import doctor
from streamer.cli.doctor import Finding


@pytest.fixture(autouse=True)
def nothing_else(monkeypatch, request):
    if "this_machine" not in request.node.name:
        monkeypatch.setattr(doctor, "USEFUL", ())


def test_it_is_content_when_everything_serves(streamer, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", (lambda: iter([Finding("ok", "thing", "there")]),))
    result = streamer("doctor")
    assert result.exit_code == 0
    assert "ready" in result.stdout


def test_advice_does_not_fail_it(streamer, monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED", ())
    monkeypatch.setattr(doctor, "USEFUL", (lambda: iter([Finding("advice", "window", "none")]),))
    assert streamer("doctor").exit_code == 0


def test_a_problem_fails_it_with_the_way_out(streamer, monkeypatch):
    monkeypatch.setattr(
        doctor,
        "NEEDED",
        (lambda: iter([Finding("problem", "H.264", "libx264 does not encode: pip install av")]),),
    )
    result = streamer("doctor")
    assert result.exit_code == 1
    assert "pip install av" in result.stdout


def test_a_check_that_breaks_is_a_problem_and_the_others_still_run(streamer, monkeypatch):
    def broken():
        raise OSError("no library")

    monkeypatch.setattr(doctor, "NEEDED", (broken, lambda: iter([Finding("ok", "thing", "there")])))
    result = streamer("doctor")
    assert result.exit_code == 1
    assert "broken           cannot be checked: OSError: no library" in result.stdout
    assert "there" in result.stdout


def test_a_useful_check_that_breaks_is_advice(streamer, monkeypatch):
    def broken():
        raise OSError("no library")

    monkeypatch.setattr(doctor, "NEEDED", ())
    monkeypatch.setattr(doctor, "USEFUL", (broken,))
    result = streamer("doctor")
    assert result.exit_code == 0
    assert "advice   broken" in result.stdout


def test_a_package_that_does_not_import_is_a_problem(streamer, monkeypatch):
    monkeypatch.setattr(doctor, "PACKAGES", (("no_such_module_here", ("no-such-package",)),))
    monkeypatch.setattr(doctor, "NEEDED", doctor.NEEDED[:1])
    result = streamer("doctor")
    assert result.exit_code == 1
    assert "pip install no-such-package" in result.stdout


def test_without_an_encoder_it_fails(streamer, monkeypatch):
    import av

    def create(*args):
        raise ValueError("no codec libx264")

    monkeypatch.setattr(av, "CodecContext", type("Fake", (), {"create": staticmethod(create)}))
    monkeypatch.setattr(doctor, "NEEDED", (doctor._encoder,))
    result = streamer("doctor")
    assert result.exit_code == 1
    assert "libx264 does not encode" in result.stdout


def test_without_a_provider_it_fails(streamer, monkeypatch):
    from streamer.models.runtime import session

    monkeypatch.setattr(session, "loadable_providers", list)
    monkeypatch.setattr(doctor, "NEEDED", (doctor._providers,))
    assert streamer("doctor").exit_code == 1


def test_this_machine_can_do_the_main_job(streamer):
    result = streamer("doctor")
    assert result.exit_code == 0, result.output
    assert "libx264 encodes" in result.stdout
