"""Public sets in miniature, made here in the true formats: SD files and xyz files in tar and zip archives, tables."""

import gzip
import io
import tarfile
import zipfile
from dataclasses import dataclass
from functools import cache

import numpy as np
from ase.data import chemical_symbols
from rdkit import Chem
from rdkit.Chem import AllChem


SMILES = ["CCO", "c1ccccc1", "CC(=O)N", "C#N", "CCN", "OC1CC1", "CCF", "CC(C)C", "O=CO", "c1ccncc1", "C", "Clc1ccccc1"]


@dataclass(frozen=True)
class Molecule:
    smiles: str
    block: str
    z: np.ndarray
    pos: np.ndarray


@cache
def molecule(smiles: str, seed: int = 1) -> Molecule:
    """A molecule with its hydrogens, embedded by RDKit; coordinates as its SD record rounds them."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    AllChem.EmbedMolecule(mol, randomSeed=seed)
    z = np.array([a.GetAtomicNum() for a in mol.GetAtoms()])
    return Molecule(smiles, Chem.MolToMolBlock(mol), z, mol.GetConformer().GetPositions().round(4))


def molecules(count: int) -> list[Molecule]:
    return [molecule(SMILES[k % len(SMILES)], 1 + k // len(SMILES) % 3) for k in range(count)]


def sd_file(made: list[Molecule], titles: list[str] | None = None) -> bytes:
    blocks = [m.block for m in made]
    if titles:
        blocks = [title + block[block.index("\n") :] for title, block in zip(titles, blocks)]
    return "".join(block + "$$$$\n" for block in blocks).encode()


def xyz_file(z, pos, comment: str = "", more: np.ndarray | None = None) -> bytes:
    columns = np.concatenate([pos, more], 1) if more is not None else pos
    lines = [f"{chemical_symbols[n]} " + " ".join(f"{x:.8f}" for x in row) for n, row in zip(z, columns)]
    return "\n".join([str(len(z)), comment, *lines, ""]).encode()


def tar(files: dict[str, bytes], kind: str = "w:gz", layout: int = tarfile.GNU_FORMAT) -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode=kind, format=layout) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return memory.getvalue()


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return memory.getvalue()


def table(head: list[str], rows: list[tuple]) -> bytes:
    return "\n".join([",".join(head), *(",".join(map(str, row)) for row in rows), ""]).encode()


def saved(content, folder) -> None:
    """Write {name: bytes} into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in content.items():
        (folder / name).write_bytes(data)


def pcqm4mv2(count: int = 60, **damage) -> dict[str, bytes]:
    """The two archives of PCQM4Mv2 and the zip of xyz files; more rows in the table than there are geometries."""
    import torch

    made = molecules(count)
    rows = [(k, m.smiles, 5 + k / 100) for k, m in enumerate(made)] + [(count + k, "CCCC", "") for k in range(5)]
    split = {"train": np.arange(count), "valid": np.array([count]), "test-dev": np.arange(count + 1, count + 5)}
    memory = io.BytesIO()
    torch.save(split, memory)
    labels = table(damage.get("head", ["idx", "smiles", "homolumogap"]), damage.get("rows", rows))
    order = np.random.default_rng(0).permutation(count)
    return {
        "pcqm4m-v2.zip": zipped(
            {
                "pcqm4m-v2/RELEASE_v1.txt": b"",
                "pcqm4m-v2/raw/data.csv.gz": gzip.compress(labels),
                "pcqm4m-v2/split_dict.pt": memory.getvalue(),
            }
        ),
        "pcqm4m-v2-train.sdf.tar.gz": tar({"pcqm4m-v2-train.sdf": sd_file(made)}),
        "pcqm4m-v2_xyz.zip": zipped(
            {f"pcqm4m-v2_xyz/{k // 20:02d}/{k}.xyz": xyz_file(made[k].z, made[k].pos) for k in order}
        ),
    }


HARTREE = {1: -0.5, 6: -37.8, 7: -54.6, 8: -75.1, 9: -99.7, 17: -460.1}


def energy(z: np.ndarray) -> float:
    """About a total energy in hartree."""
    return sum(HARTREE[n] for n in z.tolist()) - 0.1 * len(z)


def denali(entries: dict[str, int], **damage) -> dict[str, bytes]:
    """Archives of OrbNet Denali; entries: conformers of each mol_id."""
    files, rows, k = {}, [], 0
    random = np.random.default_rng(1)
    for mol_id, conformers in entries.items():
        made = molecule(SMILES[sum(map(ord, mol_id)) % len(SMILES)])
        for _ in range(conformers):
            sample = f"{k:064x}"
            pos = made.pos + random.normal(0, 0.03, made.pos.shape)
            files[f"xyz_files/{mol_id}/{sample}.xyz"] = xyz_file(made.z, pos, "0 1")
            values = (0, energy(made.z) + random.normal(0, 0.01), -20.0)
            rows.append((k, sample, "conformers", mol_id, False, False, False, True, *values))
            k += 1
    flags = ["test_set", "test_set_plus", "prelim_1", "training_set_plus"]
    head = damage.get("head", ["", "sample_id", "subset", "mol_id", *flags, "charge", "dft_energy", "xtb1_energy"])
    rows = damage.get("rows", lambda rows: rows)(rows)
    return {
        "denali_xyz_files.tar.gz": tar(files),
        "denali_labels.tar.gz": tar({"denali_labels.csv": table(head, rows)}),
    }


QM9_HEAD = ["mol_id", "A", "B", "C", "mu", "alpha", "homo", "lumo", "gap", "r2", "zpve", "u0", "u298", "h298", "g298"]


def qm9(count: int, left_out: list[int], energies: float = 1.0) -> dict[str, bytes]:
    """The zip of QM9 and the list of uncharacterised molecules; energies: factor that makes a wrong unit."""
    made, rows = [m for m in molecules(2 * count) if 17 not in m.z][:count], []
    for k, m in enumerate(made, 1):
        total = [energies * (energy(m.z) + step) for step in (0, 0.01, 0.011, -0.02)]
        rows.append((f"gdb_{k}", 1.0, 2.0, 3.0, 1.5, 40.25, -0.25, 0.05, 0.3, 300.5, 0.05, *total, 6.5))
    titles = [f"gdb_{k}" for k in range(1, count + 1)]
    listed = [f"{k:6d}  C  1.0" for k in left_out]
    return {
        "qm9.zip": zipped(
            {"gdb9.sdf": sd_file(made, titles), "gdb9.sdf.csv": table([*QM9_HEAD, "cv"], rows), "README": b"made here"}
        ),
        "uncharacterized.txt": "\n".join(["heading"] * 9 + listed + ["end of list", ""]).encode(),
    }


def trajectory(smiles: str, frames: int, seed: int) -> bytes:
    """Frames of extended xyz as ASE writes them, with energies and forces."""
    made, random = molecule(smiles), np.random.default_rng(seed)
    header = 'Properties=species:S:1:pos:R:3:forces:R:3 energy={:.10f} pbc="F F F"'
    return b"".join(
        xyz_file(
            made.z,
            made.pos + random.normal(0, 0.02, made.pos.shape),
            header.format(-1000.5 - k),
            random.normal(size=made.pos.shape),
        )
        for k in range(frames)
    )


def xxmd(frames: int = 12) -> dict[str, bytes]:
    """All sixteen archives of xxMD, a small molecule each."""
    found = {}
    for seed, (name, smiles) in enumerate({"azo": "CCO", "dia": "CCN", "mal": "O=CO", "sti": "CC"}.items()):
        for part, ending in {"dft": "uks", "cas_s0": "s0", "cas_s1": "s1", "cas_s2": "s2"}.items():
            files = {
                f"{name}_{side}_{ending}.xyz": trajectory(smiles, frames // (1 + k), 10 * seed + k)
                for k, side in enumerate(("train", "val", "test"))
            }
            found[f"{name}_{part}.zip"] = zipped({f"{name}/{f}": content for f, content in files.items()})
    return found


def qm7(count: int) -> dict[str, bytes]:
    """The archive of the repository that holds QM7, other files of it included."""
    made, top = molecules(count), "qml-8bb833c"
    files = {"pax_global_header": b"", f"{top}/tests/data/water.xyz": b"not a molecule of the set"}
    files |= {f"{top}/tests/qm7/{k:04d}.xyz": xyz_file(m.z, m.pos, f"{k}.xyz") for k, m in enumerate(made, 1)}
    rows = [f"{k:04d}.xyz {-85.5 * len(m.z)} {-88.0 * len(m.z)}" for k, m in enumerate(made, 1)]
    files[f"{top}/tests/data/hof_qm7.txt"] = ("\n".join(rows) + "\n").encode()
    return {"qml.tar.gz": tar(files, layout=tarfile.PAX_FORMAT)}


def md17(frames: int, factor: float = 1.0) -> dict[str, bytes]:
    """The npz of MD17 ethanol; factor: a wrong unit of the energies."""
    made, random = molecule("CCO"), np.random.default_rng(2)
    memory = io.BytesIO()
    np.savez(
        memory,
        z=made.z.astype(np.uint8),
        R=made.pos + random.normal(0, 0.02, (frames, *made.pos.shape)),
        E=factor * (-97_000 + random.normal(size=(frames, 1))),
        F=random.normal(size=(frames, *made.pos.shape)),
    )
    return {"md17_ethanol.npz": memory.getvalue()}
