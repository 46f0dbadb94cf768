"""Distinct small and drug-like molecules, recombined from fragments at random with RDKit."""

from collections.abc import Collection
from pathlib import Path

import numpy as np
from rdkit import Chem


def read_fragments(path: Path) -> tuple[dict[str, list[str]], dict[str, float]]:
    """Members (SMILES) and share of the draws of each kind of fragment; members follow on indented lines."""
    members, shares = {}, {}
    for line in path.read_text().splitlines():
        words = line.split()
        if line.startswith(" "):
            members[kind] += words  # noqa: F821  the kind of the last unindented line
        elif not line.startswith("#"):
            kind, share = words
            members[kind], shares[kind] = [], float(share)
    return members, shares


FRAGMENTS, SHARES = read_fragments(Path(__file__).with_name("fragments.txt"))

# Motifs that joining can create and that would decompose or are rarely seen in stable molecules.
UNSTABLE = [
    Chem.MolFromSmarts(pattern)
    for pattern in (
        "[O,S;X2][O,N,S;X2,X3]",
        "[N;!$(N~O)]-!@[N;!$(N~O)]",
        "[F,Cl]~[!#6]",
        "[CX4]([OX2H])[OX2H,NX3,SX2,F,Cl]",
        "[CX4]([NX3;H1,H2])[NX3,OX2,SX2,F,Cl]",
        "[CX3]=[CX3][OX2H,NX3;H1,H2]",
        "[CX2]#[CX2][O,N,S,F,Cl]",
        "C(=O)[F,Cl]",
        "[NX3](C=O)(C=O)C=O",
        "C(=O)(O)[OX2H]",
        "[NX3]C(=O)[OX2H]",
        "S(=O)(=O)[OX2H]",
        "C=C=*",
        "[CX3](=[NX2])[OX2H,F,Cl]",
    )
]


def join(a: Chem.Mol, b: Chem.Mol, random: np.random.Generator) -> Chem.Mol | None:
    """Bind a random hydrogen-bearing atom of each by a single bond; None when the result is not a molecule."""
    sites = [[atom.GetIdx() for atom in m.GetAtoms() if atom.GetTotalNumHs() > 0] for m in (a, b)]
    if not all(sites):
        return None
    left, right = (int(random.choice(s)) for s in sites)
    merged = Chem.RWMol(Chem.CombineMols(a, b))
    merged.AddBond(left, right + a.GetNumAtoms(), Chem.BondType.SINGLE)
    for index in (left, right + a.GetNumAtoms()):
        atom = merged.GetAtomWithIdx(index)
        if atom.GetNumExplicitHs():  # [nH]: the hydrogen is written out and must give way
            atom.SetNumExplicitHs(atom.GetNumExplicitHs() - 1)
    mol = merged.GetMol()
    problem = Chem.SanitizeMol(mol, catchErrors=True)
    return None if problem else mol


def draw(
    random: np.random.Generator, heavy: tuple[int, int], fragments: dict[str, list[str]] = FRAGMENTS
) -> str | None:
    """Canonical SMILES of one random molecule with heavy[0] to heavy[1] non-hydrogen atoms, or None."""
    kinds, weights = zip(*SHARES.items())
    # Small molecules are few and are found often; a geometric target size keeps them and still reaches 20 atoms.
    target = heavy[0] + random.geometric(0.24) - 1
    mol = None
    while mol is None or mol.GetNumHeavyAtoms() < target:
        smiles = random.choice(fragments[random.choice(kinds, p=weights)])
        fragment = Chem.MolFromSmiles(smiles)
        mol = fragment if mol is None else join(mol, fragment, random)
        if mol is None or mol.GetNumHeavyAtoms() > heavy[1]:
            return None
    if mol.GetNumHeavyAtoms() < heavy[0] or any(mol.HasSubstructMatch(p) for p in UNSTABLE):
        return None
    return Chem.MolToSmiles(mol)


def enumerate_molecules(
    n: int, heavy: tuple[int, int], seed: int, elements: Collection[str] = (), without: Collection[str] = ()
) -> list[str]:
    """`n` distinct canonical SMILES in the order in which they were found; the same for the same seed.

    elements: the only symbols allowed beside hydrogen, none for all. without: SMILES to leave out.
    """
    random = np.random.default_rng(seed)
    found: dict[str, None] = {}  # a dict keeps the order
    without = frozenset(without)
    fragments = {kind: [s for s in own if made_of(s, elements)] for kind, own in FRAGMENTS.items()}
    while len(found) < n:
        smiles = draw(random, heavy, fragments)
        if smiles is not None and smiles not in without:
            found.setdefault(smiles)
    return list(found)


def made_of(smiles: str, elements: Collection[str]) -> bool:
    """Has a molecule no other elements than these beside hydrogen? No elements stand for all."""
    return not elements or {atom.GetSymbol() for atom in Chem.MolFromSmiles(smiles).GetAtoms()} <= set(elements)
