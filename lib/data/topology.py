"""The topology of a system from a file: PDB and the like by mdtraj, Maestro by RDKit."""

from pathlib import Path

import mdtraj
from rdkit import Chem


def load_topology(path: Path) -> mdtraj.Topology:
    """Atoms, residues, chains and bonds of a topology file; ValueError where it cannot be read."""
    try:
        return _maestro(path) if path.suffix == ".mae" else mdtraj.load_topology(str(path))
    except Exception as error:  # one kind for each format
        raise ValueError(f"{path} cannot be read as a topology: {' '.join(str(error).split())[:200]}") from error


def _maestro(path: Path) -> mdtraj.Topology:
    """Every f_m_ct block in turn, as D. E. Shaw Research's systems are stored; their order is that of the frames."""
    supplier = Chem.MaeMolSupplier()
    supplier.SetData(path.read_text(), sanitize=False, removeHs=False)
    topology, place = mdtraj.Topology(), None
    for molecule in supplier:
        atoms = []
        for atom in molecule.GetAtoms():
            info = atom.GetPDBResidueInfo()
            if info is None or atom.GetAtomicNum() == 0:
                raise ValueError(f"atom {topology.n_atoms + 1} has no residue or no element, expected both")
            here = (info.GetChainId(), info.GetResidueNumber(), info.GetResidueName().strip())
            if place is None or here[0] != place[0]:
                chain = topology.add_chain()
            if here != place:
                residue = topology.add_residue(here[2], chain, resSeq=here[1])
            place = here
            element = mdtraj.element.Element.getByAtomicNumber(atom.GetAtomicNum())
            atoms.append(topology.add_atom(info.GetName().strip(), element, residue))
        for bond in molecule.GetBonds():
            topology.add_bond(atoms[bond.GetBeginAtomIdx()], atoms[bond.GetEndAtomIdx()])
    if topology.n_atoms == 0:
        raise ValueError("it holds no atom")
    return topology
