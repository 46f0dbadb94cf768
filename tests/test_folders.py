"""notebooks/22_folders.ipynb on trajectories in the layout of D. E. Shaw Research, and without them."""

import json

import mdtraj
import pytest
from desres import write_run
from support import dvc

from lib.data.trajectories import load_system
from lib.show.claims import load
from lib.show.verdicts import NOT_RUN, verdicts


@pytest.fixture
def short(own):
    """A clone in the smoke profile, with a short `desres-chignolin` (of another peptide, which nothing asks)."""
    lengths = (37,) * 53 + (30,)  # as many parts as the real one has
    system = load_system("pentapeptide")
    frames = mdtraj.join(system.frames(i)[:500] for i in range(4))[: sum(lengths)]
    write_run(own / "data-public/desres-chignolin", "CLN025-0-protein", frames, ".pdb", lengths)
    text = (own / "profiles/smoke.yaml").read_text()
    sets = "chignolin: {system: desres-chignolin, lag_ps: 2000.0, stride: 10"
    assert sets in text
    (own / "params.yaml").write_text(text.replace(sets, sets.replace("stride: 10", "stride: 2"), 1))
    return own


def test_what_is_here_is_run_and_what_is_not_is_named(short, shipped_data, quick):
    dvc(short, "repro", "folders@proteins")
    found = json.loads((short / "metrics/folders/proteins.json").read_text())
    scores = found["chignolin"]["vamp2"]
    assert set(scores) == {"distances", "none", "none_random", "submixer", "submixer_random"}
    assert all(1 <= leaf["value"] <= 3 for leaf in scores.values())  # two outputs and the constant
    less = found["chignolin"]["vamp2_without_constant"]
    assert all(less[name]["value"] == pytest.approx(leaf["value"] - 1, abs=1e-5) for name, leaf in scores.items())
    states = found["spib-chignolin"]
    assert set(states) == {"loss", "states"}
    assert set(states["loss"]) == {"distances", "attention"}
    assert all(leaf["n"] == 2 for leaf in states["loss"].values())  # halves of the trajectory, one seed
    missing = {"trp-cage", "villin", "villin-10ns", "lambda6-85", "smallest_gain_percent", "spib-villin-10ns"}
    assert set(found["not_run"]) == missing
    claims = [claim for claim in load() if claim.stage == "folders"]
    judged = {v.claim.id for v in verdicts(claims, short / "metrics") if v.verdict != NOT_RUN}
    assert judged == {"P2-T-chignolin", "P2-R-chignolin-mlp", "P2-R-chignolin-submixer", "P2-R-chignolin-spib"}
