"""Domains of a hierarchy as SCOP's: a fold is a topology, a superfamily a design, a family lengths and a sequence."""

import json
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from tqdm import tqdm

from lib.data.domains import RESIDUES, SPLITS, DomainSet, atom_codes, join, load, save
from lib.make.backbone import build, oxygens
from lib.make.card import versions
from lib.make.relaxation import relax
from lib.make.topologies import Design, arrange, first_design


# (superfamily, family, member, split) of the domains of one fold, in the order in which they are made: as in
# HomologyTAPE, whole superfamilies are held out at fold level, whole families at superfamily level, members at family
# level. The first seven hold something of every split, so that an unfinished set is a smaller one of the same shape.
PLAN = (
    (0, 0, 0, "training"),
    (0, 1, 0, "training"),
    (1, 0, 0, "training"),
    (3, 0, 0, "test_fold"),
    (4, 0, 0, "validation"),
    (0, 2, 0, "test_superfamily"),
    (0, 0, 2, "test_family"),
    (1, 1, 0, "training"),
    *((2, f, 0, "training") for f in range(2)),
    (3, 1, 0, "test_fold"),
    (4, 1, 0, "validation"),
    *((s, f, 1, "training") for s in range(3) for f in range(2)),
    *((3, f, 1, "test_fold") for f in range(2)),
    *((s, 2, 0, "test_superfamily") for s in (1, 2)),
    *((s, 0, 2, "test_family") for s in (1, 2)),
    (0, 3, 0, "validation"),
)
# residues by place: core and surface of helices and strands, loops; no cysteine, proline or histidine, whose chemistry
# (disulphides, cis bonds, protonation) the model does not have
PALETTE = {
    "H core": "LLLAAIVMF",
    "H surface": "EEKKRQAASDN",
    "E core": "VVIIFLYW",
    "E surface": "TTKERSQVY",
    "L core": "GAVLF",
    "L surface": "GGNDSKTE",
}
ONE_LETTER = dict(zip("ARNDCQEGHILKMFPSTWYV", RESIDUES))
PACKAGES = ("openmm", "pdbfixer", "scipy", "numpy")  # whose versions are part of the recipe
SHAKE = 0.2  # Å, and twice that in degrees: between members of one family
MUTATED = 0.3  # share of the places at which a member departs from its family
ATTEMPTS = 12  # at a member whose loops do not close or whose clashes stay
CORE = 0.45  # share of residues that count as core


def buried(backbone: np.ndarray) -> np.ndarray:
    """(residue,) bool: those with the most CA within 10 Å of where their side chain ends.

    backbone: (residue, 3, 3) Å of N, CA, C.
    """
    n, ca, c = backbone.transpose(1, 0, 2)
    out = 2 * ca - n - c
    tip = ca + 3.0 * out / np.linalg.norm(out, axis=1, keepdims=True)
    count = (np.linalg.norm(tip[:, None] - ca[None], axis=-1) < 10).sum(1)
    return count >= np.quantile(count, 1 - CORE)


def places(elements: list, residues: int) -> list[tuple[int, int, str]]:
    """(part, place in it, kind) of each residue: parts are elements and loops in turn; a loop takes what is left.

    Insertions lengthen loops, so their lengths follow from where the elements' residues lie.
    """
    planned = [(e.kind, e.residues, e.loop) for e in elements]
    spare = residues - sum(r + loop for _, r, loop in planned)
    found = []
    for i, (kind, count, loop) in enumerate(planned):
        found += [(2 * i, j, kind) for j in range(count)]
        found += [(2 * i + 1, j, "L") for j in range(loop)]
        if i == 0 and spare:
            found += [(1, loop + j, "L") for j in range(spare)]
    return found


def sequence(
    parts: list[tuple], core: np.ndarray, family: np.random.Generator, member: np.random.Generator
) -> list[str]:
    """Three-letter names: a family has one taste for every place, a member departs from it at some."""
    taste = family.random((1 + max(p for p, _, _ in parts), 1 + max(j for _, j, _ in parts)))
    own = np.where(member.random(taste.shape) < MUTATED, member.random(taste.shape), taste)
    letters = (PALETTE[f"{kind} {'core' if c else 'surface'}"] for (_, _, kind), c in zip(parts, core))
    return [ONE_LETTER[palette[int(own[p, j] * len(palette))]] for palette, (p, j, _) in zip(letters, parts)]


def design_of(fold: int, name: str, superfamily: int, family: int, seed: int) -> Design:
    """The design of a family: that of its superfamily, a little changed."""
    shared = first_design(name, np.random.default_rng([seed, fold, superfamily]))
    return shared.varied(np.random.default_rng([seed, fold, superfamily, family]), degrees=4, residues=1)


def make(folds: list[str], fold: int, place: int, seed: int) -> DomainSet | None:
    """The domain at one place of PLAN of one fold, or None where every attempt failed."""
    superfamily, family, member, split = PLAN[place]
    design = design_of(fold, folds[fold], superfamily, family, seed)
    random = np.random.default_rng([seed, fold, superfamily, family, member, 1])
    for attempt in range(ATTEMPTS):
        elements = arrange(folds[fold], design, random, SHAKE * (1 + attempt / 4))
        backbone = build(elements, random)
        if backbone is None:
            continue
        names = sequence(
            places(elements, len(backbone)),
            buried(backbone),
            np.random.default_rng([seed, fold, superfamily, family, 2]),
            np.random.default_rng([seed, fold, superfamily, family, member, 3]),
        )
        found = relax(names, np.concatenate([backbone, oxygens(backbone)[:, None]], 1), int(random.integers(1, 2**31)))
        if found is not None:
            label = f"{folds[fold]}.{superfamily}.{family}"
            return pack(*found, f"{label}.{member}", label, split, fold, folds)
    return None


def pack(topology, pos: np.ndarray, name: str, group: str, split: str, label: int, folds: list[str]) -> DomainSet:
    """One relaxed domain, an OpenMM topology with pos (atom, 3) Å, as a set of its own."""
    residues, atoms = list(topology.residues()), list(topology.atoms())
    return DomainSet(
        name=np.array([name]),
        label=np.array([label]),
        classes=np.array(folds),
        split=np.array([SPLITS.index(split)], np.uint8),
        group=np.array([group]),
        residues=np.array([0, len(residues)]),
        kind=np.array([RESIDUES.index(r.name) for r in residues], np.uint8),
        segment=np.zeros(len(residues), np.int32),
        atoms=np.cumsum([0] + [len(list(r.atoms())) for r in residues]),
        z=np.array([a.element.atomic_number for a in atoms], np.uint8),
        atom=atom_codes([a.name for a in atoms]),
        pos=pos.astype(np.float32),
    )


def stored(folder: Path, folds: list[str], seed: int) -> DomainSet | None:
    """The set that already lies in `folder`, to go on from; None where there is none or another recipe made it."""
    card = folder / "card.json"
    if not (card.exists() and (folder / "domains.h5").exists()):
        return None
    made = json.loads(card.read_text())
    same = made["versions"] == versions(*PACKAGES)
    same &= all(made["settings"].get(k) == v for k, v in (("folds", folds), ("seed", seed)))
    return load(folder / "domains.h5") if same else None


def make_all(
    folds: list[str], members: int, seed: int, scratch: Path, workers: int, start: DomainSet | None = None
) -> DomainSet:
    """The first `members` places of PLAN of every fold: each place is one file in `scratch`, written when complete.

    A second call makes only what is missing; domains of `start` (`stored`) are taken as they are. Raises ValueError for
    more members than PLAN has.
    """
    if not 1 <= members <= len(PLAN):
        raise ValueError(f"members is {members}, expected 1 to {len(PLAN)} a fold")
    paths = [scratch / f"{fold:02d}-{place:02d}.h5" for place in range(members) for fold in range(len(folds))]
    have = {} if start is None else {name: i for i, name in enumerate(start.name)}

    def one(path: Path) -> None:
        fold, place = map(int, path.stem.split("-"))
        made = make(folds, fold, place, seed)
        save(made, path) if made else path.with_suffix(".failed").touch()

    missing = [p for p in paths if not p.exists() and not p.with_suffix(".failed").exists()]
    for path in missing:
        superfamily, family, member, _ = PLAN[int(path.stem[3:])]
        known = have.get(f"{folds[int(path.stem[:2])]}.{superfamily}.{family}.{member}")
        if known is not None:
            save(start.take([known]), path)
    missing = [path for path in missing if not path.exists()]
    jobs = Parallel(n_jobs=workers, return_as="generator_unordered")(delayed(one)(path) for path in missing)
    for _ in tqdm(jobs, total=len(missing), desc=scratch.parent.name, unit="domain", mininterval=30):
        pass
    return join([load(path) for path in paths if path.exists()])
