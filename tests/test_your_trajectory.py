"""notebooks/80_your_trajectory.ipynb on files as users have them, and on those that it must refuse."""

import json
import os

import mdtraj
import nbformat
import numpy as np
import papermill
import pytest

from lib.data.trajectories import load_system
from lib.models import EncoderConfig, random_encoder, save_encoder
from lib.paths import NOTEBOOKS


SOURCE = NOTEBOOKS / "80_your_trajectory.ipynb"
SMALL = {
    "frame_ps": 20.0,
    "stride": 2,
    "selection": "all",
    "lag_times_ns": [0.04, 0.08, 0.16, 0.24],
    "most_states": 3,
    "clusters": 20,
    "groups": 2,
    "epochs": 5,
    "samples": 10,
    "structures": 2,
}
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")


@pytest.fixture
def place(shipped_data, tmp_path):
    """A topology, trajectories of 3000 and 1800 frames in two formats, and a small encoder."""
    system = load_system("ala2")
    for name, trajectory, frames in (("long.dcd", 0, 3000), ("short.trr", 1, 1800)):
        cut = system.frames(trajectory, 4)[:frames]
        cut.unitcell_vectors = None
        cut.save(str(tmp_path / name))
    cut[0].save_pdb(str(tmp_path / "top.pdb"))
    save_encoder(random_encoder(EncoderConfig(layers=1, hidden=16, rbf=8, heads=2), 0), tmp_path / "encoder", {})
    return tmp_path


def execute(place, **changes):
    """Outputs of the notebook as one text, with its results in place/out."""
    os.environ.setdefault("PYDEVD_DISABLE_FILE_VALIDATION", "1")
    given = SMALL | {"topology": str(place / "top.pdb"), "trajectories": [str(place / "*.dcd"), str(place / "*.trr")]}
    given |= {"encoder": str(place / "encoder"), "output_dir": str(place / "out")} | changes
    notebook = papermill.execute_notebook(
        str(SOURCE), str(place / "out.ipynb"), given, kernel_name="python3", progress_bar=False
    )
    outputs = [o for c in notebook.cells for o in c.get("outputs", [])]
    return "\n".join(o.get("text", "") + "".join(map(str, o.get("data", {}).values())) for o in outputs)


def test_two_formats_of_unequal_length(place):
    text = execute(place)
    found = json.loads((place / "out" / "metrics.json").read_text())
    assert "1500" in text
    assert "900" in text
    assert found["simulated"] == {**found["simulated"], "value": pytest.approx(96), "unit": "ns"}
    assert sum(p["value"] for p in found["populations"].values()) == pytest.approx(1)
    assert 1 < found["vamp2"]["rewhitened"]["value"] < found["bound"]["value"]
    assert found["passage_time"]["1 to 2"]["unit"] == "ns"
    assert found["transitions_seen"]["1 to 2"]["value"] == int(found["transitions_seen"]["1 to 2"]["value"])
    assert {"timescales.png", "scores.png", "states.png", "time.png", "paths.png"} <= set(os.listdir(place / "out"))
    for state in range(int(found["states"]["value"])):
        shown = mdtraj.load(str(place / "out" / f"state-{state + 1}.pdb"))
        assert shown.n_atoms == 22
        assert mdtraj.compute_distances(shown, [[4, 5]]).max() < 0.13  # C=O of the cap, whole
    with np.load(place / "out" / "states.npz") as file:
        assert [len(file[f"state-{i}"]) for i in range(2)] == [1500, 900]


def test_one_trajectory_with_a_mixer_and_a_stride_for_its_lag(place):
    text = execute(
        place,
        trajectories=str(place / "long.dcd"),
        mixer="subgvp",
        hidden=8,
        epochs=2,
        lag_ns=0.16,
        frames_per_lag=2,
        seeds=[0],
    )
    found = json.loads((place / "out" / "metrics.json").read_text())
    assert found["lag"]["value"] == 0.16
    assert "You asked for 0.16 ns" in text
    assert found["vamp2"]["rewhitened"]["n"] == 2  # blocks
    assert any(name.startswith("places-") for name in os.listdir(place / "out"))


def refused(place, **changes):
    """What the notebook says before it writes anything; its cells are executed here, up to the tokens."""
    given = SMALL | {"topology": str(place / "top.pdb"), "trajectories": str(place / "long.dcd")}
    given |= {"encoder": str(place / "encoder"), "output_dir": str(place / "out")} | changes
    cells = [c for c in nbformat.read(SOURCE, 4).cells if c.cell_type == "code"]
    names = {}
    try:
        for i, cell in enumerate(cells[:3]):
            exec(cell.source, names)
            if i == 0:
                names.update(given)
    except (ValueError, FileNotFoundError) as error:
        assert not (place / "out").exists()
        return str(error)
    return "nothing"


def test_bad_input_is_refused_in_one_sentence_and_leaves_nothing(place, shipped_data):
    system = load_system("ala2")
    nm = system.frames(0, 40)
    nm.xyz /= 10
    nm.save(str(place / "nm.xtc"))
    text = (place / "top.pdb").read_text().splitlines()
    text = [f"{line[:12]} X1 {line[16:76]}  " if line[12:16].strip() == "CB" else line for line in text]
    (place / "dummy.pdb").write_text("\n".join(text))
    (place / "text.xtc").write_text("hello")
    said = {
        "94": {"topology": "data/pentapeptide/topology.pdb", "trajectories": str(place / "short.trr")},
        "look like nm": {"trajectories": str(place / "nm.xtc")},
        "cannot be read as a trajectory of 22 atoms": {"trajectories": str(place / "text.xtc")},
        "nothing matches": {"trajectories": str(place / "gone-*.xtc")},
        "nothing matches 'gone.pdb'": {"topology": "gone.pdb"},
        "matches no atom": {"selection": "resname TRP"},
        "not in mdtraj's language": {"selection": "the ligand please"},
        "no such checkpoint": {"encoder": "excellent"},
        "gives no element for ALA2-X1": {"topology": str(place / "dummy.pdb")},
        "does not say how far apart its frames are; its header says": {"frame_ps": 0.0},
        "lag 50 ps is 1.25 frames": {"lag_times_ns": [0.05, 0.1, 0.2]},
        "the lag of 80 ns is too long: the longest trajectory has 60 ns": {"lag_times_ns": [20, 40, 80]},
        "holds 1500 frames, expected at least": {"lag_times_ns": [8, 16, 24]},
        "1500 frames, expected at least 2220 ": {"lag_ns": 8.0},
        "ascending": {"lag_times_ns": [0.2, 0.1, 0.4]},
        "mixer 'blender' is not one of": {"mixer": "blender"},
        "groups is 1, expected a whole number of at least 2": {"groups": 1},
        "seeds is 0": {"seeds": []},
        "comes twice": {"trajectories": [str(place / "long.dcd")] * 2},
    }
    for words, changes in said.items():
        assert words in refused(place, **changes), changes
    assert refused(place) == "nothing"
