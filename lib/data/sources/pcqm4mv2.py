"""PCQM4Mv2 of OGB-LSC: geometries of its 3,378,606 training molecules, and the labels of all with OGB's own split."""

import io
import sys
from collections import Counter
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from lib.data.sources import sdf, xyz
from lib.data.sources.labels import Rows
from lib.data.sources.pack import Report, pack
from lib.data.sources.records import Records, fingerprint
from lib.data.sources.source import File, Source
from lib.data.sources.stream import member
from lib.data.sources.zips import numbered
from lib.data.splits import by_parent


TRAINING = 3_378_606  # the molecules with geometries are the first of data.csv.gz
HELD_OUT = (20_000, 20_000)  # for the denoising error: 100 molecules, as elsewhere, are too few for scaling curves
SEED = 0
LOOKED_AT = 50  # molecules whose atoms are compared with their SMILES
LABELS = File(
    "pcqm4m-v2.zip",
    "https://dgl-data.s3-accelerate.amazonaws.com/dataset/OGB-LSC/pcqm4m-v2.zip",
    md5="65b742bafca5670be4497499db7d361b",
)
SDF = File(
    "pcqm4m-v2-train.sdf.tar.gz",
    "http://ogb-data.stanford.edu/data/lsc/pcqm4m-v2-train.sdf.tar.gz",
    md5="fd72bce606e7ddf36c2a832badeec6ab",
)
XYZ = File("pcqm4m-v2_xyz.zip", "http://ogb-data.stanford.edu/data/lsc/pcqm4m-v2_xyz.zip")


def make(kind: str, raw: Path, target: Path, limit: int | None, workers: int | None) -> dict[Path, Report]:
    """Pack the geometries, with SMILES and gap of each; kind: "sdf" or "xyz", which hold the same."""
    rows = Rows(raw / LABELS.name, "data.csv.gz", ["smiles", "homolumogap"])

    def label(records: Records) -> Records:
        ids = records.position if kind == "sdf" else records.id
        found = rows.take(ids)
        smiles, gap = found["smiles"].to_numpy(str), found["homolumogap"].to_numpy(float)
        records = replace(
            records, id=ids, smiles=smiles.astype(object), parent=fingerprint(smiles), molecule={"gap_eV": gap}
        )
        return records.refuse(~np.isfinite(gap), "no gap in data.csv.gz", lambda k: str(ids[k]))

    def split(spool) -> np.ndarray:
        return by_parent(spool.column("parent"), held_out(len(spool.column("parent"))), SEED)

    if kind == "sdf":
        work, parse = sdf.pieces(member(raw / SDF.name, SDF.name.removesuffix(".tar.gz"))), sdf.parse
    else:
        work, parse = numbered(raw / XYZ.name, ".xyz"), xyz.parse_zip
    report = pack(
        work,
        parse,
        target / "molecules.h5",
        finish=label,
        split=split,
        expected=TRAINING,
        limit=limit,
        workers=workers,
        check=partial(check_order, source=target.name),
    )
    return {target: report}


def held_out(molecules: int) -> tuple[float, float]:
    """Numbers for validation and test: HELD_OUT, and 5 % each of a small part of the set."""
    return HELD_OUT if sum(HELD_OUT) < 0.1 * molecules else (0.05, 0.05)


def check_order(records: Records, source: str) -> None:
    """Raise ValueError unless the first molecules have the heavy atoms of their SMILES: labels are joined by place."""
    from rdkit import Chem

    start = 0
    for size, smiles in zip(records.sizes[:LOOKED_AT], records.smiles):
        found = Counter(z for z in records.z[start : start + size].tolist() if z > 1)
        molecule = Chem.MolFromSmiles(smiles)
        said = Counter(a.GetAtomicNum() for a in molecule.GetAtoms() if a.GetAtomicNum() > 1) if molecule else found
        if found != said:
            raise ValueError(
                f"{source}: {smiles} is the label of a molecule with atoms {dict(found)}: labels are shifted"
            )
        start += size


def label_split(path: Path) -> dict[str, np.ndarray]:
    """OGB's rows of data.csv.gz for train, valid, test-dev and test-challenge, from pcqm4m-v2.zip.

    Only the training rows have geometries; the two tests have no labels. Raises ValueError for a damaged archive.
    """
    import torch

    content = io.BytesIO(b"".join(member(path, "split_dict.pt")))
    kinds = [np._core.multiarray._reconstruct, np.ndarray, np.dtype, np.dtypes.Int64DType]
    try:
        with torch.serialization.safe_globals(kinds):
            return {name: np.asarray(rows) for name, rows in torch.load(content, weights_only=True).items()}
    except Exception as error:  # whatever the unpickler of the day raises
        raise ValueError(f"{path}: split_dict.pt cannot be read: {error}") from error


def evaluate(true: np.ndarray, predicted: np.ndarray) -> float:
    """OGB's metric, the mean absolute error of the gap in eV, by OGB's evaluator; true, predicted: (n,)."""
    sys.modules.setdefault(
        "outdated", None
    )  # else ogb asks PyPI for a newer version, and the exit waits for the answer
    from ogb.lsc import PCQM4Mv2Evaluator

    return PCQM4Mv2Evaluator().eval({"y_true": true, "y_pred": predicted})["mae"]


SETTINGS = {
    "split": "OGB gives geometries to training molecules only; of these, 20,000 distinct SMILES each are held out for "
    "validation and test of the denoising error. label_split() gives OGB's own split of the labels.",
    "seed": SEED,
    "gap_eV": "B3LYP/6-31G*, as in data.csv.gz",
}
SOURCE = Source(
    name="pcqm4mv2",
    what="PCQM4Mv2: B3LYP/6-31G* minima of the training molecules, with the HOMO-LUMO gap; from the SD file",
    files=(LABELS, SDF),
    records=TRAINING,
    about="3,378,606 molecules",
    download="not known",
    disk="4 + download (estimated)",
    licence="not stated in what we have read; see ogb.stanford.edu",
    citation="Hu et al., OGB-LSC, arXiv 2103.09430",
    settings=SETTINGS,
    make=partial(make, "sdf"),
)
FROM_XYZ = replace(
    SOURCE,
    name="pcqm4mv2-xyz",
    what=SOURCE.what.replace("from the SD file", "from the xyz files"),
    files=(LABELS, XYZ),
    download="2.7",
    make=partial(make, "xyz"),
)
