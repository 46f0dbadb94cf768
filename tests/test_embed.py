import json
import os
import subprocess
import sys

import h5py
import numpy as np
import pytest
import torch

import lib.embed.stream
from lib.data.frames import Frames
from lib.data.trajectories import load_system
from lib.dynamics.features import token_invariants
from lib.embed import embed_frames, tokens
from lib.embed.__main__ import main
from lib.embed.file import TokenFile
from lib.embed.layers import layer_tokens
from lib.embed.stream import stream
from lib.models import EncoderConfig, random_encoder, save_encoder
from lib.models.readout import groups
from lib.verify.execute import environment


CONFIG = EncoderConfig(layers=1, hidden=8, rbf=8, cutoff=4.0, heads=2)


@pytest.fixture
def system(shipped_data):
    return load_system("ala2")


def test_tokens_are_sums_over_the_atoms_of_each_residue(system):
    encoder, pos = random_encoder(CONFIG, 0), system.positions(0, 8000)
    found = embed_frames(encoder, system.z, pos, system.residue)
    for frame in range(len(pos)):
        with torch.no_grad():
            z, batch = torch.from_numpy(system.z), torch.zeros(len(system.z), dtype=torch.long)
            scalars, vectors = encoder(z, torch.from_numpy(pos[frame]), batch)
        for r in range(3):
            own = np.flatnonzero(system.residue == r)
            torch.testing.assert_close(found[frame, r, 0], sum(scalars[i] for i in own))
            torch.testing.assert_close(found[frame, r, 1:], sum(vectors[i] for i in own))


def test_the_last_of_the_layers_is_the_output_and_the_first_knows_no_geometry(system):
    encoder = random_encoder(CONFIG, 0)
    found = layer_tokens(encoder, system, 0, stride=3000)
    tokens_there = embed_frames(encoder, system.z, system.positions(0, 3000), system.residue).numpy()
    assert found.shape == (CONFIG.layers + 2, len(tokens_there), 3 * 2 * CONFIG.hidden)
    expected = token_invariants(tokens_there).reshape(len(tokens_there), 3, -1)
    np.testing.assert_allclose(found[-1].reshape(expected.shape), expected, atol=1e-3)
    assert np.ptp(found[0], axis=0).max() == 0
    assert np.ptp(found[1], axis=0).max() > 0


def test_streamed_tokens_are_those_of_one_batch(system, tmp_path):
    encoder = random_encoder(CONFIG, 0)
    streamed = tokens(encoder, system, 0, stride=300, scratch=tmp_path)
    whole = embed_frames(encoder, system.z, system.positions(0, 300), system.residue).numpy()
    assert streamed.shape == (len(system.positions(0, 300)), 3, 4, 8)
    np.testing.assert_allclose(streamed, whole, atol=1e-4 * np.abs(whole).max())


def test_scratch_is_used_again_and_belongs_to_one_encoder(system, tmp_path):
    encoder, other = random_encoder(CONFIG, 0), random_encoder(CONFIG, 1)
    first = tokens(encoder, system, 0, 1000, tmp_path)
    assert len(list(tmp_path.iterdir())) == 1
    np.testing.assert_array_equal(tokens(encoder, system, 0, 1000, tmp_path), first)
    assert not np.array_equal(tokens(other, system, 0, 1000, tmp_path), first)
    assert len(list(tmp_path.iterdir())) == 2


@pytest.fixture
def killed_at(monkeypatch):
    """killed_at(n) makes the n-th write of tokens the last thing that a process does."""

    def arm(count):
        calls, append = [], TokenFile.append

        def killed(*arguments):
            calls.append(1)
            if len(calls) == count:
                raise KeyboardInterrupt
            append(*arguments)

        monkeypatch.setattr(TokenFile, "append", killed)

    monkeypatch.setattr(lib.embed.stream, "BLOCK", 30_000)  # about one batch
    return arm


def test_interrupted_embedding_resumes(system, tmp_path, killed_at):
    encoder = random_encoder(CONFIG, 0)
    whole = tokens(encoder, system, 0, 100, tmp_path / "whole")
    killed_at(3)
    with pytest.raises(KeyboardInterrupt):
        tokens(encoder, system, 0, 100, tmp_path / "cut")
    (part,) = (tmp_path / "cut").iterdir()
    assert part.suffix == ".part"
    with h5py.File(part) as file:
        assert 0 < file["frames_done"][0] < len(whole)
    np.testing.assert_array_equal(tokens(encoder, system, 0, 100, tmp_path / "cut"), whole)


def test_a_part_that_was_cut_by_a_kill_is_begun_again(system, tmp_path):
    encoder = random_encoder(CONFIG, 0)
    whole = tokens(encoder, system, 0, 1000, tmp_path)
    (finished,) = tmp_path.iterdir()
    finished.unlink()
    (tmp_path / f"{finished.name}.part").write_bytes(b"not HDF5")
    np.testing.assert_array_equal(tokens(encoder, system, 0, 1000, tmp_path), whole)


def test_memory_does_not_grow_with_the_trajectory(system, tmp_path, monkeypatch):
    """No read and no write is larger than a block, however many frames there are."""
    monkeypatch.setattr(lib.embed.stream, "BLOCK", 100_000)
    read, append, seen = Frames.read, TokenFile.append, []
    monkeypatch.setattr(Frames, "read", lambda self, a, b: seen.append(b - a) or read(self, a, b))
    monkeypatch.setattr(TokenFile, "append", lambda self, i, v: seen.append(len(v)) or append(self, i, v))
    frames = Frames(system.paths[0], system.topology, system.selection, 20)
    stream(random_encoder(CONFIG, 0), [frames], system.residue, tmp_path / "t.h5", {})
    assert len(frames) == 1200
    assert max(seen) * max(22 * 12, 3 * 4 * 8 * 4) <= 100_000


@pytest.fixture
def arguments(shipped_data, tmp_path):
    """Two trajectories of ala2, thinned, and a small encoder."""
    encoder = save_encoder(random_encoder(CONFIG, 0), tmp_path / "encoder", {})
    data = shipped_data / "ala2"
    given = {"encoder": encoder, "topology": data / "topology.pdb", "out": tmp_path / "tokens.h5", "stride": 100}
    trajectories = [str(data / f"trajectory-{i}.xtc") for i in (0, 1)]
    return lambda **other: [
        *(f"--{name}={value}" for name, value in (given | other).items()),
        *([] if "trajectory" in other else ["--trajectory", *trajectories]),
    ]


def read(path):
    with h5py.File(path) as file:
        return {name: file[name][:] for name in file}, json.loads(file.attrs["provenance"])


def test_command_line(arguments, system, tmp_path):
    assert main(arguments(selection="heavy", tokens="backbone-sidechain")) == 0
    found, provenance = read(tmp_path / "tokens.h5")
    heavy = load_system("ala2", "heavy")
    group, names = groups(system.topology, "backbone-sidechain", heavy.selection)
    for i in (0, 1):
        whole = embed_frames(random_encoder(CONFIG, 0), heavy.z, heavy.positions(i, 100), group).numpy()
        np.testing.assert_allclose(found[f"trajectory-{i}"], whole, atol=1e-4 * np.abs(whole).max())
    assert [name.decode() for name in found["token_names"]] == list(names)
    np.testing.assert_array_equal(found["atom"], heavy.selection)
    np.testing.assert_array_equal(found["token_of_atom"], group)
    assert provenance["config"] == vars(CONFIG)
    assert [t["frames_kept"] for t in provenance["trajectories"]] == [240, 240]
    assert (provenance["neighbors"], provenance["stride"], provenance["selection"]) == ("all", 100, "heavy")


def test_invariant_half_precision_read_out(arguments, tmp_path):
    assert main(arguments()) == 0
    assert main([*arguments(out=tmp_path / "invariant.h5", dtype="float16"), "--invariant"]) == 0
    full, half = (read(tmp_path / name)[0]["trajectory-1"] for name in ("tokens.h5", "invariant.h5"))
    assert half.dtype == np.float16
    lengths = np.linalg.norm(full[:, :, 1:], axis=2)
    np.testing.assert_allclose(half, np.concatenate([full[:, :, 0], lengths], -1), rtol=2e-3, atol=1e-3)


def test_two_processes_and_a_kill_change_nothing(arguments, tmp_path, killed_at):
    assert main(arguments()) == 0
    killed_at(5)  # in the second trajectory or before
    with pytest.raises(KeyboardInterrupt):
        main(arguments(out=tmp_path / "cut.h5"))
    done = subprocess.run(
        [sys.executable, "-m", "lib.embed", *arguments(out=tmp_path / "cut.h5", workers=2)],
        env=environment() | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "cut.h5.part").exists()
    (one, origin), (two, same) = read(tmp_path / "tokens.h5"), read(tmp_path / "cut.h5")
    assert origin == same
    assert one.keys() == two.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_finished_file_is_left_alone(arguments, tmp_path, capsys):
    assert main(arguments()) == 0
    before = os.stat(tmp_path / "tokens.h5").st_mtime_ns
    assert main(arguments()) == 0
    assert os.stat(tmp_path / "tokens.h5").st_mtime_ns == before
    assert main(arguments(stride=200)) == 2
    assert "made with another stride, trajectories; choose another name" in capsys.readouterr().err
    assert os.stat(tmp_path / "tokens.h5").st_mtime_ns == before


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"encoder": "nobody"}, "nobody: no such checkpoint"),
        ({"topology": "none.pdb"}, "none.pdb is missing"),
        ({"topology": "README.md"}, "README.md cannot be read as a topology"),
        ({"trajectory": "none.xtc"}, "none.xtc is missing"),
        ({"trajectory": "data/pentapeptide/trajectory-0.xtc"}, "cannot be read as a trajectory of 22 atoms"),
        ({"selection": "resname TRP"}, "'resname TRP' matches no atom"),
        ({"neighbors": "few"}, "neighbour rule 'few'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_bad_input_is_one_sentence_and_leaves_nothing(arguments, tmp_path, monkeypatch, capsys, other, words):
    monkeypatch.chdir(lib.embed.cached.SCRATCH.parent)
    assert main(arguments(**other)) == 2
    complaint = capsys.readouterr().err.strip().splitlines()[-1]
    assert complaint.startswith("python -m lib.embed: ")
    assert words in complaint
    assert [p.name for p in tmp_path.iterdir()] == ["encoder"]


@pytest.mark.parametrize("option", [["--stride", "0"], ["--dtype", "int8"], ["--tokens", "word"]], ids=" ".join)
def test_bad_options(arguments, option):
    with pytest.raises(SystemExit) as ended:
        main([*arguments(), *option])
    assert ended.value.code == 2


def test_values_beyond_half_precision_are_refused(tmp_path):
    file = TokenFile(tmp_path / "t.h5", [(2, 1)], np.float16, {})
    with pytest.raises(ValueError, match="70000 does not fit float16"):
        file.append(0, np.full((1, 1), 7e4, np.float32))
    assert file.done(0) == 0
    file.close()
