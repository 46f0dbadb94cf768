"""What a set of domains looks like: secondary structure by DSSP, and how alike the sequences of relatives are."""

import mdtraj
import numpy as np
from mdtraj.core.element import carbon, nitrogen, oxygen

from lib.data.domains import RESIDUES, UNKNOWN, DomainSet


BACKBONE = {"N": nitrogen, "CA": carbon, "C": carbon, "O": oxygen}
ANGSTROM_PER_NM = 10


def secondary(domains: DomainSet) -> list[str]:
    """One letter a residue for each domain, by DSSP: H helix, E strand, C neither. Needs the backbone of all."""
    found, backbone = [], domains.named(*BACKBONE)
    for start, stop in zip(domains.residues[:-1], domains.residues[1:]):
        topology = mdtraj.Topology()
        chain = topology.add_chain()
        for kind in domains.kind[start:stop]:
            residue = topology.add_residue("UNK" if kind == UNKNOWN else RESIDUES[kind], chain)
            for name, element in BACKBONE.items():
                topology.add_atom(name, element, residue)
        frame = mdtraj.Trajectory(backbone[start:stop].reshape(1, -1, 3) / ANGSTROM_PER_NM, topology)
        found.append("".join(mdtraj.compute_dssp(frame)[0]))
    return found


def identity(domains: DomainSet) -> dict[str, np.ndarray]:
    """Share of identical residues at equal places, without gaps, for pairs of domains of the same family, of the same
    superfamily but not family, of the same fold only, and of different folds. Groups are named fold.superfamily.family.
    """
    sequences = [domains.kind[a:b] for a, b in zip(domains.residues[:-1], domains.residues[1:])]
    levels = ("same family", "same superfamily", "same fold", "different folds")
    found = {level: [] for level in levels}
    paths = [group.split(".") for group in domains.group]
    for i, one in enumerate(sequences):
        for j in range(i):
            shared = 0
            while shared < 3 and paths[i][shared] == paths[j][shared]:
                shared += 1
            length = min(len(one), len(sequences[j]))
            found[levels[3 - shared]].append(float(np.mean(one[:length] == sequences[j][:length])))
    return {level: np.array(values) for level, values in found.items()}
