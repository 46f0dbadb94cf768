import numpy as np
import pytest
import torch

from lib import paths
from lib.data.molecules import save
from lib.models import EncoderConfig, random_encoder, save_encoder
from lib.train import sweep
from lib.train.finetune import Pretraining, Recipe, Trials, ahead, begin, canonical
from lib.train.loop import Schedule
from lib.train.plateau import Plateau


CONFIG = EncoderConfig("et", 1, 8, 8, 4.0)
DENOISING = sweep.Recipe(48, 8, (1e-3,), 1)


@pytest.fixture(autouse=True)
def scratch(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "SCRATCH", tmp_path / "scratch")
    return tmp_path / "scratch"


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values()))


def test_how_a_fit_begins():
    pretrained = random_encoder(CONFIG, 7)
    scratch, tuned, frozen = (begin(start, CONFIG, 3, pretrained) for start in ("scratch", "finetuned", "frozen"))
    assert same(scratch, random_encoder(CONFIG, 3))
    assert same(tuned, pretrained)
    assert same(frozen, pretrained)
    learns = [all(p.requires_grad for p in e.parameters()) for e in (scratch, tuned)]
    assert learns == [True, True]
    assert not any(p.requires_grad for p in frozen.parameters())
    with torch.no_grad():
        next(tuned.parameters()).add_(1)
    assert same(pretrained, random_encoder(CONFIG, 7)), "fine-tuning must not change what was pre-trained"
    assert all(p.requires_grad for p in pretrained.parameters())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("warm", CONFIG, 0), "start is 'warm', expected one of scratch, finetuned, frozen"),
        (("frozen", CONFIG, 0), "start 'frozen' needs a pre-trained encoder"),
        (
            ("finetuned", EncoderConfig("et", 2, 8, 8, 4.0), 0, random_encoder(CONFIG, 0)),
            r"layers=1.*expected.*layers=2",
        ),
    ],
)
def test_a_start_that_cannot_be(arguments, message):
    with pytest.raises(ValueError, match=message):
        begin(*arguments)


def test_recipes_give_their_schedules():
    cosine, constant = (Recipe(5, 8, 1e-3, 2, order).schedule() for order in ("cosine", "constant"))
    assert (cosine, constant) == (Schedule(5, 1e-3, 2, True), Schedule(5, 1e-3, 2, False))
    plateau = Recipe(3000, 128, 4e-4, 10_000, "plateau", 15, 150).schedule()
    assert isinstance(plateau, Plateau)
    assert (plateau.epochs, plateau.by, plateau.patience, plateau.least, plateau.stop) == (3000, 0.8, 15, 1e-7, 150)
    with pytest.raises(ValueError, match="'linear', expected one of cosine, plateau, constant"):
        Recipe(5, 8, 1e-3, order="linear").schedule()


def test_pre_training_leaves_out_what_is_tested(molecules, tmp_path):
    names = {1: "OC", 5: "OC", 30: "OC", 7: "C[C@H](N)O"}
    molecules.smiles = np.array([names.get(k, "CC") for k in range(len(molecules))])
    save(molecules, tmp_path / "set" / "molecules.h5")
    pre = Pretraining(tmp_path / "set", DENOISING, np.array(["CO", "C[C@@H](N)O"]))
    assert pre.left_out == 4
    assert len(pre.sweep.molecules) == 36
    assert set(pre.sweep.molecules.smiles) == {"CC"}
    assert not pre.sweep.molecules.molecule
    assert Pretraining(tmp_path / "set", DENOISING).left_out == 0


def test_encoders_are_pre_trained_once_for_each_size_and_seed(molecules, tmp_path, scratch, monkeypatch):
    save(molecules, tmp_path / "set" / "molecules.h5")
    pre = Pretraining(tmp_path / "set", DENOISING)
    one, other = pre.encoder(CONFIG, 0), pre.encoder(CONFIG, 1)
    assert not same(one, random_encoder(CONFIG, 0))
    assert not same(one, other)
    (log,) = {len((p / "log.txt").read_text().splitlines()) for p in pre.sweep.used}
    assert log == 2  # 24 molecules for training, 48 samples: two epochs
    monkeypatch.setattr(sweep, "fit", None)  # nothing is trained again
    assert same(Pretraining(tmp_path / "set", DENOISING).encoder(CONFIG, 0), one)
    pre.close()
    assert not any(p.exists() for p in pre.sweep.used)


def test_a_checkpoint_is_the_same_for_all_seeds(tmp_path):
    encoder = random_encoder(CONFIG, 5)
    save_encoder(encoder, tmp_path / "weights", {})
    pre = Pretraining(tmp_path / "weights", DENOISING)
    assert same(pre.encoder(CONFIG, 0), encoder)
    assert same(pre.encoder(CONFIG, 1), encoder)
    pre.close()
    assert (tmp_path / "weights" / "config.json").exists()
    with pytest.raises(FileNotFoundError, match="no such checkpoint"):
        Pretraining(tmp_path / "nowhere", DENOISING).encoder(CONFIG, 0)


def test_one_name_for_every_way_of_writing_a_molecule():
    assert canonical(np.array(["OCC", "C[C@H](N)O", "C(C)O", "not one"])).tolist() == [
        "CCO",
        "CC(N)O",
        "CCO",
        "not one",
    ]


def test_a_fit_is_done_once(scratch, capsys):
    trials, asked = Trials("study", "data"), []

    def make(state):
        asked.append(state)
        print("epoch 1")
        return {"errors": torch.arange(3.0)}

    first, again = trials.once(make, "et", 1), trials.once(make, "et", 1)
    assert torch.equal(first["errors"], again["errors"])
    assert len(asked) == 1
    trials.once(make, "et", 2)
    Trials("study", "other data").once(make, "et", 1)
    assert len(asked) == 3
    assert not capsys.readouterr().out
    assert (asked[0].parent / "log.txt").read_text() == "epoch 1\n"
    trials.close()
    assert [state.parent.exists() for state in asked] == [False, False, True]


def test_what_other_processes_made_ahead_is_read_back(scratch):
    trials, place = Trials("study"), scratch

    def make(seed, here):
        return pytest.fail("made again") if here else {"drawn": torch.rand(2, generator=seeded(seed))}

    def work(seed, here):
        with pytest.MonkeyPatch.context() as patch:  # the other processes know nothing of a test's, and are used again
            patch.setattr(paths, "SCRATCH", place)
            return trials.once(lambda state: make(seed, here), seed)

    def seeded(seed):
        return torch.Generator().manual_seed(seed)

    ahead(work, [(seed, False) for seed in range(3)], workers=1)
    assert not scratch.exists()  # one worker does nothing ahead
    ahead(work, [(seed, False) for seed in range(3)], workers=2)
    for seed in range(3):
        assert torch.equal(work(seed, True)["drawn"], torch.rand(2, generator=seeded(seed)))
    trials.close()
    assert not list(scratch.rglob("outcome.pt"))


def test_a_fit_that_fails_leaves_no_outcome(scratch):
    trials = Trials("study")

    def broken(state):
        raise FloatingPointError("the loss is not finite")

    with pytest.raises(FloatingPointError):
        trials.once(broken, 1)
    assert trials.once(lambda state: {"errors": torch.ones(1)}, 1)["errors"] == 1
