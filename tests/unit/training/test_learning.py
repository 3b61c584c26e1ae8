import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[train]'")

from training.__main__ import main  # noqa: E402
from training.cues import CUES, CUES_SIZE  # noqa: E402
from training.learning import Plan, Training, batch_of  # noqa: E402
from training.network import Corrector, export, parameters_of  # noqa: E402
from training.samples import AGES, samples_of  # noqa: E402

SMALL = (8, 12, 16, 16)


@pytest.fixture(autouse=True)
def few_threads():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def weights(network):
    return torch.cat([one.flatten().double() for one in network.state_dict().values()])


def test_the_network_that_ships_has_a_megabyte_at_most():
    assert 4 * parameters_of(Corrector()) < 1_000_000


def test_a_new_network_leaves_the_carried_alpha_as_it_is():
    cues = torch.from_numpy(samples_of(np.random.default_rng(1))[0].cues.astype(np.float32))[None]
    with torch.no_grad():
        alpha = Corrector().eval()(cues)[:, :1]
    assert (alpha - cues[:, 3:4]).abs().mean() < 0.005


def test_frames_that_are_seen_again_and_again_get_alphas_nearer_to_the_truth(tmp_path):
    samples = samples_of(np.random.default_rng(11), (8, 15, 30))
    cues = torch.from_numpy(np.stack([one.cues for one in samples]).astype(np.float32))
    truth = torch.from_numpy(np.stack([one.truth for one in samples]) / np.float32(255))[:, None]
    carried = float((cues[:, 3:4] - truth).abs().mean())
    training = Training(Corrector(SMALL), Plan(steps=100), tmp_path, processes=0)
    for training.step in range(100):
        training.learn(cues, truth)
    with torch.no_grad():
        alpha = training.network.eval()(cues)[:, :1]
    assert float((alpha - truth).abs().mean()) < 0.6 * carried


def test_a_training_goes_on_from_where_it_stopped(tmp_path):
    class Stopped(Exception):
        pass

    def stop(_):
        raise Stopped

    plan = Plan(steps=3, again=0, kept=1)
    part = Training(Corrector(SMALL), plan, tmp_path, processes=0)
    with pytest.raises(Stopped):
        part.run(tell=stop, every=2)
    rest = Training(Corrector(SMALL), plan, tmp_path, processes=0)
    assert rest.step == 2
    assert torch.equal(weights(rest.network), weights(part.network))
    assert torch.equal(weights(rest.result), weights(part.result))
    rest.run(tell=lambda _: None)
    assert rest.step == 3
    assert not torch.equal(weights(rest.network), weights(part.network))
    with pytest.raises(SystemExit, match="of another plan"):
        Training(Corrector(SMALL), Plan(steps=4), tmp_path, processes=0)


@pytest.mark.parametrize("processes", [0, 2])
def test_the_same_plan_learns_the_same_whatever_draws_its_scenes(tmp_path, processes):
    learnt = []
    for folder, drawers in (("one", 0), ("other", processes)):
        torch.manual_seed(3)
        plan = Plan(steps=2, again=2)
        training = Training(Corrector(SMALL), plan, tmp_path / folder, drawers)
        training.run(tell=lambda _: None)
        learnt.append(weights(training.network))
    assert torch.equal(*learnt)


def test_mirroring_and_other_colours_leave_pictures_and_alphas_with_each_other():
    samples = samples_of(np.random.default_rng(2))

    def gaps(cues, truth):
        carried = np.abs(cues[:, 3] - truth).mean()
        return carried, np.abs(cues[:, 0:3] - cues[:, 5:8]).sum(axis=1).mean()

    before = gaps(
        np.stack([one.cues for one in samples]).astype(np.float32),
        np.stack([one.truth for one in samples]) / 255,
    )
    changed = set()
    for seed in range(6):
        cues, truth = batch_of(samples, np.random.default_rng(seed))
        assert gaps(cues.numpy(), truth[:, 0].numpy()) == pytest.approx(before, rel=0.01)
        changed.add(round(float(cues[:, 0].mean()), 4))
    assert len(changed) > 1


def test_the_command_trains_judges_and_exports(tmp_path, capsys):
    out = tmp_path / "training"
    assert main(["--steps", "1", "--judged", "1", "--processes", "0", "--out", str(out)]) == 0
    figures = json.loads((out / "figures.json").read_text())
    assert figures["steps"] == 1
    assert set(figures["errors_e3_by_age"]) == {str(age) for age in AGES}
    assert (out / "carry.onnx").stat().st_size < 1_000_000
    assert "minutes are left" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["--judged", "0"])


def test_the_exported_file_says_what_the_network_says(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    network = Corrector(SMALL).eval()
    export(network, tmp_path / "carry.onnx")
    cues = np.random.default_rng(0).random((1, CUES, *CUES_SIZE), np.float32)
    session = runtime.InferenceSession(tmp_path / "carry.onnx", providers=["CPUExecutionProvider"])
    (said,) = session.run(["said"], {"cues": cues})
    with torch.no_grad():
        expected = network(torch.from_numpy(cues)).numpy()
    assert np.abs(said - expected).max() < 1e-4
