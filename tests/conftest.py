"""Fixtures that every test may use."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from preload import preloaded
from support import compiled, dvc

from lib.data import reference as outside
from lib.data.domains import SPLITS, DomainSet, join
from lib.data.molecules import MoleculeSet
from lib.data.sources.structures import read_pdb
from lib.paths import DATA, ROOT
from lib.verify.execute import environment


def pytest_collection_modifyitems(items):
    """The whole graph first: it takes longer than all that one worker has to do after it."""
    items.sort(key=lambda item: item.name != "test_every_stage_runs_in_the_smoke_profile")


@pytest.fixture
def reference():
    """reference("golden/x.npz") -> a file of the outside reference data, or a skip that says what is missing."""

    def find(name: str) -> Path:
        if (path := outside.reference(name)) is None:
            pytest.skip(f"reference file {name} is missing; set REFERENCE_DATA to its folder")
        return path

    return find


@pytest.fixture
def shipped_data() -> Path:
    """The data/ folder, or a skip where `dvc pull` has not been run."""
    if not (DATA / "ala2" / "card.json").exists():
        pytest.skip("data/ is empty; `dvc pull data` fetches it")
    return DATA


@pytest.fixture
def molecules() -> MoleculeSet:
    """40 random "molecules" of 3 to 9 atoms on a jittered 1.2 Å lattice, split 24 / 8 / 8."""
    random = np.random.default_rng(3)
    sizes = random.integers(3, 10, 40)
    lattice = np.stack(np.meshgrid(*[np.arange(3)] * 3), -1).reshape(-1, 3) * 1.2
    pos = np.concatenate([lattice[random.permutation(27)[:n]] for n in sizes]) + random.normal(
        0, 0.05, (sizes.sum(), 3)
    )
    return MoleculeSet(
        random.choice([1, 6, 8], sizes.sum()).astype(np.uint8),
        pos.astype(np.float32),
        np.concatenate([[0], np.cumsum(sizes)]),
        np.repeat([0, 1, 2], [24, 8, 8]).astype(np.uint8),
        np.array([f"M{i}" for i in range(40)]),
        {"energy_eV": random.normal(size=40).astype(np.float32)},
        {"forces_eV_A": random.normal(size=(sizes.sum(), 3)).astype(np.float32)},
    )


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """A clone of the working tree as it would be committed, DVC cache shared, results checked out."""
    target = tmp_path_factory.mktemp("clone") / "project"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(target)], check=True)
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    tracked = [ROOT / name for name in filter(None, names.split("\0"))]
    for path in filter(Path.is_file, tracked + compiled()):
        copied = target / path.relative_to(ROOT)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, copied)
    dvc(target, "pull", "--quiet")
    return target


@pytest.fixture
def own(clone, tmp_path) -> Path:
    """A copy of the clone that the test may change."""
    return shutil.copytree(clone, tmp_path / "own", symlinks=True)


@pytest.fixture
def fresh(clone, tmp_path) -> Path:
    """The clone before its first pull: no results and no cache."""
    made = {clone / name for name in (".dvc/cache", ".dvc/tmp", "data", "artifacts", "executed", "build")}
    ignore = lambda folder, names: [n for n in names if Path(folder) / n in made]  # noqa: E731
    return shutil.copytree(clone, tmp_path / "fresh", ignore=ignore)


@pytest.fixture(scope="session")
def preloaded_python():
    """Path of the program of tests/preload.py; elsewhere than on Linux, of the interpreter."""
    if sys.platform != "linux":
        yield sys.executable
        return
    with tempfile.TemporaryDirectory(prefix="py") as folder, preloaded(Path(folder)) as program:
        yield str(program)


@pytest.fixture
def quick(preloaded_python, monkeypatch):
    """DVC, stages and kernels that the test starts have the libraries loaded: each saves seconds of imports."""
    # Its folder holds nothing else: `dvc` in a transcript is still found beside the interpreter.
    monkeypatch.setenv("PATH", environment()["PATH"])
    monkeypatch.setattr(sys, "executable", preloaded_python)


@pytest.fixture(scope="session")
def domains() -> DomainSet:
    """Six all-atom domains of two classes: the villin headpiece and a pentapeptide, each also jittered twice."""
    parts, random = [], np.random.default_rng(0)
    for label, name in enumerate(("hp35-model", "pentapeptide")):
        read = read_pdb(ROOT / "lib" / "make" / "start" / f"{name}.pdb")
        for copy, split in enumerate(("training", "validation", "test_fold")):
            given = vars(read) | {"pos": read.pos + np.float32(0.02 * copy) * random.normal(size=read.pos.shape)}
            parts.append(
                DomainSet(
                    np.array([f"{name}.{copy}"]),
                    np.array([label]),
                    np.array(["villin", "peptide"]),
                    np.array([SPLITS.index(split)], np.uint8),
                    np.array([name]),
                    np.array([0, len(read.kind)]),
                    **given | {"pos": given["pos"].astype(np.float32)},
                )
            )
    return join(parts)
