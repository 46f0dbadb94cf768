"""One protein domain from a file: IEConv's HDF5, a PDB file, or CDConv's C-alpha array, as residues with atoms."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from lib.data.domains import RESIDUES, UNKNOWN, atom_codes


NUMBER = {"H": 1, "C": 6, "N": 7, "O": 8, "S": 16, "SE": 34, "D": 1}  # atomic numbers of what proteins hold
MODIFIED = {"MSE": "MET", "HSD": "HIS", "HSE": "HIS", "HSP": "HIS", "HID": "HIS", "HIE": "HIS", "HIP": "HIS"}
LETTERS = dict(zip("ARNDCQEGHILKMFPSTWYV", range(len(RESIDUES))))
BONDED = 2.5  # Å between C and the next N, 4.5 Å between CA and CA: further apart there is a gap in the chain
CA_BONDED = 4.5


@dataclass
class Structure:
    """kind, segment: (residue,). atoms: (residue + 1,) offsets. z, atom: (atom,). pos: (atom, 3) float32 Å."""

    kind: np.ndarray
    segment: np.ndarray
    atoms: np.ndarray
    z: np.ndarray
    atom: np.ndarray
    pos: np.ndarray


def residue_code(name: str) -> int:
    """Index into RESIDUES of a three-letter name; selenomethionine is methionine; anything else is UNKNOWN."""
    name = MODIFIED.get(name, name)
    return RESIDUES.index(name) if name in RESIDUES else UNKNOWN


def assemble(
    owner: np.ndarray, residues: list[str], names: list[str], z: np.ndarray, pos: np.ndarray, source
) -> Structure:
    """A structure from atoms sorted by residue.

    owner: (atom,) number of the residue of each atom, ascending. residues: name of each residue. Only residues with a
    CA are kept. Raises ValueError for a file without any.
    """
    has_ca = np.zeros(len(residues), bool)
    has_ca[owner[np.array(names) == "CA"]] = True
    if not has_ca.any():
        raise ValueError(f"{source} holds no residue with a CA atom, expected a protein")
    keep = has_ca[owner]
    owner, z, pos = np.cumsum(has_ca)[owner[keep]] - 1, z[keep], pos[keep].astype(np.float32)
    atom = atom_codes(np.array(names)[keep])
    count = int(has_ca.sum())
    place = {code: np.full((count, 3), np.nan) for code in range(3)}  # N, CA, C
    for code in place:
        rows = np.flatnonzero(atom == code)
        place[code][owner[rows]] = pos[rows]
    bond = np.linalg.norm(place[0][1:] - place[2][:-1], axis=1)
    step = np.linalg.norm(place[1][1:] - place[1][:-1], axis=1)
    joined = np.where(np.isfinite(bond), bond < BONDED, step < CA_BONDED)
    return Structure(
        np.array([residue_code(r) for r, kept in zip(residues, has_ca) if kept], np.uint8),
        np.concatenate([[0], np.cumsum(~joined)]).astype(np.int32),
        np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=count))]),
        z.astype(np.uint8),
        atom,
        pos,
    )


def read_ieconv(path: Path) -> Structure:
    """A domain of IEConv's HDF5 distribution: atom_pos (1, atom, 3) Å, atom_names, atom_residue_names and
    atom_amino_id (atom,); no hydrogens, and some domains are C-alpha only.
    """
    try:
        with h5py.File(path) as file:
            pos, owner = file["atom_pos"][0], file["atom_amino_id"][:]
            names = [name.decode() for name in file["atom_names"][:]]
            labels = [name.decode().upper() for name in file["atom_residue_names"][:]]
    except (OSError, KeyError) as error:
        raise ValueError(f"{path} is not a domain of IEConv's HDF5 distribution: {error}") from error
    order = np.argsort(owner, kind="stable")
    owner, first, inverse = np.unique(owner[order], return_index=True, return_inverse=True)
    residues = [labels[order[i]] for i in first]
    names = [names[i] for i in order]
    z = np.array([element(name) for name in names])
    return assemble(inverse, residues, names, z, pos[order], path)


def element(name: str) -> int:
    """Atomic number from a PDB atom name such as CA, 1HB or SE; ValueError for one that no protein has."""
    letters = name.lstrip("0123456789").upper()
    symbol = "SE" if letters.startswith("SE") else letters[:1]
    if symbol not in NUMBER:
        raise ValueError(f"atom name {name!r} has no element that proteins hold ({', '.join(NUMBER)})")
    return NUMBER[symbol]


def read_pdb(path: Path) -> Structure:
    """A full-atom PDB file or SCOPe's .ent: the first model, one place for each atom, hetero groups left out."""
    try:
        with Path(path).open() as lines:
            rows = list(first_model(lines))
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read as a PDB file: {error}") from error
    seen, owner, residues, names, z, pos, before = set(), [], [], [], [], [], None
    for line in rows:
        residue, name = line[21:27], line[12:16].strip()
        key = (residue, name)
        if key in seen:  # another place of the same atom
            continue
        seen.add(key)
        if residue != before:
            residues.append(line[17:20].strip().upper())
            before = residue
        try:
            pos.append([float(line[i : i + 8]) for i in (30, 38, 46)])
        except ValueError as error:
            raise ValueError(f"{path}: no coordinates in {line.strip()!r}") from error
        owner.append(len(residues) - 1)
        names.append(name)
        symbol = line[76:78].strip().upper()
        z.append(NUMBER[symbol] if symbol in NUMBER else element(name))
    return assemble(np.array(owner, int), residues, names, np.array(z), np.array(pos).reshape(-1, 3), path)


def first_model(lines):
    """The ATOM records, and those of selenomethionine, up to the first ENDMDL."""
    for line in lines:
        if line.startswith("ENDMDL"):
            return
        if line.startswith("ATOM  ") or (line.startswith("HETATM") and line[17:20] in MODIFIED):
            yield line


def read_calpha(path: Path, letters: str) -> Structure:
    """A domain of CDConv's distribution: an array (residue, 3) Å of C-alpha positions, and its sequence."""
    try:
        pos = np.load(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as an array: {error}") from error
    if pos.shape != (len(letters), 3):
        raise ValueError(f"{path} has the shape {pos.shape}, expected ({len(letters)}, 3) for its sequence")
    residues = [RESIDUES[LETTERS[letter]] if letter in LETTERS else "UNK" for letter in letters]
    every = np.arange(len(letters))
    return assemble(every, residues, ["CA"] * len(letters), np.full(len(letters), 6), pos, path)


def read_fasta(path: Path) -> dict[str, str]:
    """Sequence of each name in a FASTA file."""
    found: dict[str, str] = {}
    for line in Path(path).read_text().splitlines():
        if line.startswith(">"):
            name = line[1:].split()[0]
            found[name] = ""
        elif line.strip():
            found[name] += line.strip()
    return found
