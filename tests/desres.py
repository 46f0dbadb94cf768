"""Writes trajectories in the layout of D. E. Shaw Research, which nobody may pass on."""

import itertools
import struct

import mdtraj
import numpy as np

from lib.make.dynamics import start_structure


LENGTHS = (20, 20, 7)  # the last part is shorter, as in the real ones
ATOM = '  {} "{:<4}" "{:<4}" " " {} {:.6f} {:.6f} {:.6f} {}\n'
MAE = """{{
  s_m_m2io_version
  :::
  2.0.0
}}

f_m_ct {{
  s_m_title
  r_chorus_box_ax
  r_chorus_box_by
  r_chorus_box_cz
  s_ffio_ct_type
  :::
  "{title}"
  40.0
  40.0
  40.0
  full_system
  m_atom[{n}] {{
    # First column is atom index #
    s_m_pdb_atom_name
    s_m_pdb_residue_name
    s_m_chain_name
    i_m_residue_number
    r_m_x_coord
    r_m_y_coord
    r_m_z_coord
    i_m_atomic_number
    :::
{atoms}    :::
  }}
  m_bond[{bonds}] {{
    # First column is bond index #
    i_m_from
    i_m_to
    i_m_order
    :::
{bond_rows}    :::
  }}
  ffio_ff {{
    s_ffio_name
    :::
    "made by hand"
  }}
}}
"""


def write_mae(path, frame):
    """A Maestro file of one frame, in Å, as a molecular dynamics program writes it."""
    topology = frame.topology
    rows = [
        ATOM.format(i + 1, f" {a.name}"[-4:], a.residue.name, a.residue.resSeq, *pos, a.element.number)
        for i, (a, pos) in enumerate(zip(topology.atoms, frame.xyz[0] * 10))
    ]
    bonds = [f"  {i + 1} {a.index + 1} {b.index + 1} 1\n" for i, (a, b) in enumerate(topology.bonds)]
    path.write_text(
        MAE.format(title=path.stem, n=len(rows), atoms="".join(rows), bonds=len(bonds), bond_rows="".join(bonds))
    )


def write_part(path, frames):
    """A DCD file whose header says, wrongly, that frames are 1 ps apart; true of the format, in AKMA units."""
    frames.save_dcd(str(path))
    content = bytearray(path.read_bytes())
    content[44:48] = struct.pack("<f", 1 / 0.0488882)
    path.write_bytes(content)


def trajectory(n, seed=0):
    """`n` frames of ala2 that jitter around a structure which drifts, in a box of 4 nm."""
    start = start_structure("ala2")
    base = np.array(start.positions.value_in_unit(start.positions.unit), np.float32)
    random = np.random.default_rng(seed)
    xyz = base + random.normal(0, 0.002, (n, *base.shape)) + 0.01 * np.arange(n)[:, None, None]
    return mdtraj.Trajectory(
        xyz.astype(np.float32),
        mdtraj.Topology.from_openmm(start.topology),
        unitcell_lengths=np.full((n, 3), 4.0),
        unitcell_angles=np.full((n, 3), 90.0),
    )


def write_run(folder, run, frames, topology=".mae", lengths=LENGTHS):
    """One unpacked archive below `folder`, its parts with so many frames."""
    place = folder / f"DESRES-Trajectory_{run}" / run
    place.mkdir(parents=True)
    if topology == ".mae":
        write_mae(place / f"{run}.mae", frames)
    else:
        frames[0].save_pdb(str(place / f"{run}.pdb"))
    starts = np.cumsum([0, *lengths])
    for i, (start, stop) in enumerate(itertools.pairwise(starts)):
        write_part(place / f"{run}-{i:03d}.dcd", frames[start:stop])
    return place
