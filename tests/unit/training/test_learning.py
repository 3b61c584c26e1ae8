import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install '.[train]'")

from streamer.matting.cues import CUES, CUES_SIZE  # noqa: E402
from training.learning import Plan, Training, batch_of  # noqa: E402
from training.network import Corrector, export, parameters_of  # noqa: E402
from training.samples import samples_of  # noqa: E402

SMALL = (8, 12, 16, 16)


@pytest.fixture(autouse=True)
def few_threads():
    torch.set_num_threads(1)
    torch.manual_seed(0)


def weights(training):
    return torch.cat([one.flatten() for one in training.network.state_dict().values()])


def test_the_network_that_ships_has_a_megabyte_at_most():
    assert 4 * parameters_of(Corrector()) < 1_000_000


def test_a_new_network_leaves_the_carried_alpha_nearly_as_it_is():
    cues = torch.from_numpy(samples_of(np.random.default_rng(1))[0].cues.astype(np.float32))[None]
    with torch.no_grad():
        alpha = Corrector().eval()(cues)[:, :1]
    assert (alpha - cues[:, 3:4]).abs().mean() < 0.03


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


@pytest.mark.timeout(600)
def test_a_training_goes_on_from_where_it_stopped(tmp_path):
    short, long_ = (Plan(steps=steps, again=0, kept=1) for steps in (2, 4))
    whole = Training(Corrector(SMALL), long_, tmp_path / "whole", processes=0)
    whole.run(tell=lambda _: None, every=2)

    class Stopped(Exception):
        pass

    def stop(_):
        raise Stopped

    torch.manual_seed(0)
    part = Training(Corrector(SMALL), long_, tmp_path / "part", processes=0)
    with pytest.raises(Stopped):
        part.run(tell=stop, every=2)
    rest = Training(Corrector(SMALL), long_, tmp_path / "part", processes=0)
    assert rest.step == 2
    rest.run(tell=lambda _: None, every=2)
    assert rest.step == 4
    with pytest.raises(SystemExit, match="of another plan"):
        Training(Corrector(SMALL), short, tmp_path / "part", processes=0)


def test_the_same_plan_learns_the_same(tmp_path):
    learnt = []
    for name in ("one", "other"):
        torch.manual_seed(3)
        training = Training(Corrector(SMALL), Plan(steps=2, again=2), tmp_path / name, 0)
        training.run(tell=lambda _: None)
        learnt.append(weights(training))
    assert torch.equal(*learnt)


def test_mirroring_and_other_colours_leave_alphas_with_their_pictures():
    samples = samples_of(np.random.default_rng(2))
    for seed in range(4):
        cues, truth = batch_of(samples, np.random.default_rng(seed))
        before = np.mean([np.abs(one.cues[3] - one.truth / 255).mean() for one in samples])
        assert float((cues[:, 3:4] - truth).abs().mean()) == pytest.approx(before, rel=0.01)


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
