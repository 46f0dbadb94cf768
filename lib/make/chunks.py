"""Run a function over many inputs on every core, in chunks that survive an interruption."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from lib.data.molecules import MoleculeSet, concatenate, load
from lib.data.sources.records import Records
from lib.data.sources.spool import Spool


def pack(records: list[dict]) -> MoleculeSet:
    """One set from records {smiles, z, pos, molecule, atom}; the split is filled in by lib.data.splits.by_parent."""
    sizes = [len(r["z"]) for r in records]
    return MoleculeSet(
        np.concatenate([r["z"] for r in records]),
        np.concatenate([r["pos"] for r in records]).astype(np.float32),
        np.concatenate([[0], np.cumsum(sizes)]),
        np.zeros(len(records), np.uint8),
        np.array([r["smiles"] for r in records]),
        {k: np.array([r["molecule"][k] for r in records], float) for k in records[0]["molecule"]},
        {k: np.concatenate([r["atom"][k] for r in records]).astype(np.float32) for k in records[0]["atom"]},
    )


def write(molecules: MoleculeSet, path: Path) -> None:
    """Write a packed file as the public sets are: per-molecule targets in float64, not compressed, to be mapped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    own = {name: getattr(molecules, name) for name in ("z", "pos", "sizes", "smiles", "molecule", "atom")}
    with Spool(path.with_suffix(".spool")) as spool:
        spool.add(Records(position=np.arange(len(molecules)), seen=len(molecules), **own))
        spool.finish(path, molecules.split)


def in_chunks(function: Callable, inputs: Iterable[tuple], scratch: Path, size: int, workers: int) -> MoleculeSet:
    """`function(*input)` for each input, on `workers` processes; gives a record, a list of them, or None.

    Every chunk of `size` inputs is one packed file in `scratch`, written when it is complete; a second call
    computes only the missing ones.
    """

    def compute(path: Path, chunk: list[tuple]) -> None:
        records = []
        for arguments in chunk:
            found = function(*arguments)
            records += found if isinstance(found, list) else [found] if found else []
        if not records:
            raise ValueError(
                f"none of the {len(chunk)} inputs from {chunk[0]} on gave a geometry; raise the chunk size"
            )
        write(pack(records), path)

    inputs = list(inputs)
    paths = {scratch / f"chunk-{start:06d}.h5": inputs[start : start + size] for start in range(0, len(inputs), size)}
    missing = {path: chunk for path, chunk in paths.items() if not path.exists()}
    jobs = Parallel(n_jobs=workers, return_as="generator_unordered")(
        delayed(compute)(path, chunk) for path, chunk in missing.items()
    )
    for _ in tqdm(jobs, total=len(missing), desc=scratch.parent.name, unit="chunk", mininterval=30):
        pass
    return concatenate([load(path) for path in paths])
