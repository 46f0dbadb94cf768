from importlib.util import find_spec

import h5py
import mdtraj
import numpy as np
import pytest

from lib.data.frames import Frames
from lib.data.trajectories import load_system
from lib.dynamics import ondisk
from lib.dynamics.buffers import chunks, part
from lib.dynamics.features import token_invariants
from lib.dynamics.mixing import with_positions
from lib.dynamics.places import place_weights, write_places
from lib.dynamics.representatives import nearest, save
from lib.dynamics.vampnet import Settings, fit, transform
from lib.dynamics.views import TokenView, stride_at, thinned


H5 = pytest.param("h5", marks=pytest.mark.skipif(find_spec("tables") is None, reason="PyTables is not installed"))


@pytest.fixture
def stored(tmp_path):
    rng = np.random.default_rng(0)
    tokens, places = rng.standard_normal((101, 3, 4, 2)), rng.standard_normal((101, 3, 3))
    for name, values in (("tokens.h5", tokens), ("places.h5", places)):
        with h5py.File(tmp_path / name, "w") as file:
            file["trajectory-0"] = values.astype(np.float32)
    return tokens.astype(np.float32), places.astype(np.float32), tmp_path


@pytest.mark.parametrize("layout", ["invariants", "tokens", "positions"])
@pytest.mark.parametrize("stride", [1, 4])
def test_a_view_is_the_array_that_it_stands_for(stored, layout, stride):
    tokens, places, folder = stored
    whole = {"invariants": token_invariants(tokens), "tokens": tokens, "positions": with_positions(tokens, places)}
    whole = whole[layout][::stride]
    view = TokenView(folder / "tokens.h5", "trajectory-0", 0, 101, layout, places=folder / "places.h5")
    view = thinned(view, stride)
    assert view.shape == whole.shape
    for index in (slice(None), slice(3, 9), slice(2, 20, 3), slice(5, 5), 7, -1):
        np.testing.assert_array_equal(view[index], whole[index])
    np.testing.assert_array_equal(np.concatenate(list(chunks(part(view, 4, 15)))), whole[4:15])
    np.testing.assert_array_equal(part(view, 4, 15)[1:3], whole[5:7])


def test_training_from_disk_in_pieces_is_training(stored):
    view = TokenView(stored[2] / "tokens.h5", "trajectory-0", 0, 101)
    settings = Settings(outputs=1, hidden=(4,), epochs=1, batch=20)
    memory = fit([view[:70]], [view[75:]], 1, 0, settings)
    disk = fit([part(view, 0, 70)], [part(view, 75, 101)], 1, 0, settings)
    np.testing.assert_array_equal(transform(memory.lobe, [view])[0], transform(disk.lobe, [view[:]])[0])
    pieces = Settings(outputs=1, hidden=(4,), epochs=1, batch=5, buffer=40)
    assert np.isfinite(fit([part(view, 0, 70)], [part(view, 75, 101)], 1, 0, pieces).history).all()
    assert ondisk.buffer_frames(view, 1e-6) == 1000 // (4 * 12)


def test_the_stride_of_a_lag_divides_it():
    assert [stride_at(lag, 10) for lag in (1, 9, 10, 20, 37, 200)] == [1, 1, 1, 2, 1, 20]
    assert stride_at(200, 0) == 1
    np.testing.assert_array_equal(thinned(np.arange(10), 3), [0, 3, 6, 9])


@pytest.fixture
def frames(shipped_data):
    system = load_system("ala2")
    return Frames(system.paths[0], system.topology, system.selection, 400), system


def test_places_are_ca_or_the_middle_and_are_written_once(frames, tmp_path):
    each, system = frames
    token = system.residue
    weights = place_weights(each, token)
    ca = next(a.index for a in system.topology.atoms if a.name == "CA")
    assert weights[1, ca] == 1
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
    path = tmp_path / "places.h5"
    write_places([each], token, path, {"of": "a test"})
    pos = system.positions(0, 400)
    with h5py.File(path) as file:
        np.testing.assert_allclose(file["trajectory-0"][:, 1], pos[:, ca], atol=1e-5)
        np.testing.assert_allclose(file["trajectory-0"][:, 0], pos[:, token == 0].mean(1), atol=1e-4)
    before = path.stat().st_mtime_ns
    write_places([each], token, path, {"of": "a test"})
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("mixer", "layout"),
    [("flat", "invariants"), ("none", "tokens"), ("subformer", "tokens"), ("submixer-gvp", "positions")],
)
def test_each_mixer_gets_what_it_needs(mixer, layout):
    assert ondisk.network_of(mixer, 2, 3, 8)[1] == layout
    with pytest.raises(ValueError, match="is not one of"):
        ondisk.network_of("blender", 2, 3, 8)


def test_representatives_are_the_nearest_and_no_visit_twice():
    functions = [np.array([[0.0], [0.1], [0.2], [5.0], [0.9]]), np.array([[0.3], [5.0]])]
    core = [np.array([0, 0, 0, 1, 0]), np.array([0, 1])]  # the mean of core 0 is 0.3
    assert nearest(functions, core, 0, 2, 1) == [(1, 0), (0, 2)]
    assert nearest(functions, core, 0, 3, 3) == [(1, 0), (0, 2)]  # 0 and 1 lie within 3 frames of 2, as 4 does
    assert nearest(functions, core, 1, 9, 1) == [(0, 3), (1, 1)]
    with pytest.raises(ValueError, match="core of state 3"):
        nearest(functions, core, 2, 1, 1)


@pytest.mark.parametrize("format", ["xtc", "dcd", "pdb", H5])
def test_a_structure_is_its_frame(frames, tmp_path, format):
    _, system = frames
    path = tmp_path / f"a.{format}"
    whole = system.frames(0, 400)
    whole.unitcell_vectors = None
    whole.save(str(path))
    own = Frames(path, system.topology, np.array([4, 5, 6, 8]), 2)
    np.testing.assert_allclose(own.trajectory(3, 4).xyz[0], whole.xyz[6], atol=2e-3)
    save(tmp_path / "state.pdb", [own], [(0, 3), (0, 5)])
    found = mdtraj.load(str(tmp_path / "state.pdb"))
    assert (found.n_frames, found.n_atoms) == (2, 22)
    for model, frame in ((0, 6), (1, 10)):
        expected, ours = (mdtraj.compute_distances(t, [[0, 21], [4, 8]])[0] for t in (whole[frame], found[model]))
        np.testing.assert_allclose(ours, expected, atol=3e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == [f"a.{format}", "state.pdb"]
