"""The benchmarks run from end to end with tiny settings; how fast is not tested."""

import json
from importlib.util import find_spec

import pytest
import torch

from benchmarks import memory, peers, record, systems
from benchmarks.__main__ import main
from benchmarks.timing import ONE_A_CORE, Job, Mode, duel, workers
from lib.data.molecules import save
from lib.models.graph import neighbours


TINY = [
    "--layers",
    "1",
    "--hidden",
    "16",
    "--rbf",
    "8",
    "--seconds",
    "0.01",
    "--rounds",
    "1",
    "--batch",
    "4",
    "--largest",
    "80",
]
PEER = {"visnet": "torch_geometric", "et": "torchmdnet"}


@pytest.mark.parametrize("architecture", peers.PEERS)
def test_the_peer_computes_the_same_function(architecture):
    pytest.importorskip(PEER[architecture])
    encoder = peers.ours(architecture, layers=2, hidden=32, rbf=16)
    z, pos, batch = systems.frames("ala2", 2)
    most = peers.most_neighbours(z, pos, batch, 7.5)
    assert peers.disagreement(encoder, peers.peer(encoder, most), z, pos, batch) < 1e-5


@pytest.mark.skipif(find_spec("torchmdnet") is not None, reason="torchmd-net is installed")
def test_a_missing_peer_is_named():
    with pytest.raises(ImportError, match="torchmd-net is not installed"):
        peers.peer(peers.ours("et", layers=1, hidden=16, rbf=8))


def test_dense_distances_are_those_of_our_graph():
    z, pos, batch = systems.frames("chignolin-heavy", 3)
    keep = torch.arange(len(z)) % 7 != 3  # frames of different sizes
    pos, batch = pos[keep], torch.where(batch == 1, 0, batch)[keep].div(2, rounding_mode="floor")
    edges, distance, vector = peers.DenseDistance(5.0)(pos, batch)
    centre, neighbour, pair, unit = (graph := neighbours(pos, batch, 5.0)).edges()
    order = torch.argsort(edges[1] * len(pos) + edges[0])
    assert torch.equal(edges[:, order], torch.stack([neighbour, centre]))
    assert torch.allclose(distance[order], graph.distances()[pair])
    assert torch.allclose(vector[order], unit * distance[order].unsqueeze(1), atol=1e-5)


def test_systems_have_the_sizes_that_they_are_known_by():
    sizes = {name: len(systems.structure(name)[0]) for name in systems.SYSTEMS}
    assert sizes == {"ala2-heavy": 10, "ala2": 22, "chignolin-heavy": 93, "chignolin": 166, "hp35-model": 579}
    z, pos, batch = systems.frames("hp35-model", 1)
    graph = neighbours(pos, batch, 7.5)
    assert 70 < 2 * len(graph.first) / len(z) < 120  # as in a folded protein with its hydrogens
    assert float(graph.distance.min()) > 0.5


def three():
    return lambda: 3


def none():
    return lambda: 1e-9


def broken():
    raise ValueError("no such system")


def test_rates_and_errors_come_back_from_the_workers():
    with workers() as own:
        jobs = {"ours": [Job(three, (), ONE_A_CORE)], "peer": [Job(three, (), ONE_A_CORE), Job(none, (), ONE_A_CORE)]}
        found = duel(own, jobs, 0.01, 2)
        assert found.jobs["peer"].make is three
        row = found.row()
        assert 0 < row["low"] <= row["ratio"] <= row["high"]
        assert own.value(Job(three, (), Mode(1, 1))) == 3
        with pytest.raises(ValueError, match="no such system"):
            own.rate(Job(broken, (), ONE_A_CORE), 0.01)


def test_every_benchmark_runs(tmp_path, molecules, capsys):
    pytest.importorskip("torch_geometric")
    save(molecules, tmp_path / "molecules.h5")
    where = ["--data", str(tmp_path / "molecules.h5"), "--out", str(tmp_path)]
    names = ["embedding", "training", "loader", "gemm"]
    main([*names, "--architecture", "visnet", "--system", "ala2-heavy", *TINY, *where])
    for name in names:
        (row,) = json.loads((tmp_path / f"{name}.json").read_text())["rows"]
        assert row["ours"] > 0
    assert capsys.readouterr().out.count("\n| ---") == len(names)
    assert (tmp_path / "embedding.png").stat().st_size > 5000


def test_packing_runs(tmp_path, molecules):
    save(molecules, tmp_path / "molecules.h5")
    main(["packing", "--molecules", "150", "--data", str(tmp_path / "molecules.h5"), "--out", str(tmp_path)])
    rows = json.loads((tmp_path / "packing.json").read_text())["rows"]
    assert [row["molecules"] for row in rows] == [150, 150]
    assert all(0 < row["cpu_s"] < 60 and 50 < row["peak_MB"] < 2000 for row in rows)


def test_the_single_threaded_benchmarks_run(tmp_path):
    brief = ["--quick", "--rounds", "2", "--seconds", "0", "--frames", "120", "--out", str(tmp_path)]
    main(["vampnet", "cost", "merging", *brief])
    rows = {
        name: json.loads((tmp_path / f"{name}.json").read_text())["rows"] for name in ("vampnet", "cost", "merging")
    }
    assert all(min(row["ours"], row["chained"], row["peer"]) > 0 for row in rows["vampnet"])
    assert {len(row["seconds"]) for row in rows["cost"]} == {2}
    assert {row["attention"]: len(row["forward_rates"]) for row in rows["merging"]} == {"plain": 2, "fused": 2}


def test_memory_grows_with_the_batch():
    sizes = (("layers", 1), ("hidden", 16), ("rbf", 8))
    small, large = (memory.grow("ours", "et", "ala2", count, sizes)() for count in (1, 4000))
    assert large - small > 10  # MB: the vectors alone take 17


def test_the_page_shows_the_recorded_results():
    assert (record.HERE / "README.md").read_text() == record.page(), "run `python -m benchmarks.record`"
    assert "| et | hp35-model | 579 |" in record.page()
