"""Protein backbones from torsions with ideal bonds and angles: helices, strands, and loops closed between them."""

import numba
import numpy as np
from scipy.optimize import least_squares
from scipy.spatial import cKDTree


# length (Å) and angle (rad) that place N after C, CA after N, C after CA (Engh and Huber)
LENGTHS = np.array([1.329, 1.458, 1.525])
ANGLES = np.radians([116.2, 121.7, 111.0])
HELIX, STRAND = (-62.0, -42.0), (-125.0, 134.0)  # φ, ψ in degrees
# where a loop residue may start its search: α, β, polyproline, left-handed and extended left, with their weights
BASINS = np.array([(-65, -40), (-120, 130), (-70, 145), (57, 40), (85, 5), (60, -130)], float)
WEIGHTS = np.array([0.3, 0.2, 0.15, 0.15, 0.1, 0.1])
CLOSED = 0.4  # Å, root mean square distance to the anchor at which a loop counts as closed
APART = 3.0  # Å between backbone atoms that are not neighbours; the force field resolves what is left


@numba.njit(cache=True)
def place(a, b, c, length, angle, torsion):
    """The atom at `length` from c, `angle` to b and `torsion` to a; all (3,) Å and radians."""
    bc, ab = c - b, b - a
    bc = bc / np.sqrt(np.sum(bc * bc))
    n = np.cross(ab, bc)
    n = n / np.sqrt(np.sum(n * n))
    m = np.cross(n, bc)
    return c + length * (
        -np.cos(angle) * bc + np.sin(angle) * np.cos(torsion) * m + np.sin(angle) * np.sin(torsion) * n
    )


@numba.njit(cache=True)
def extend(anchor, psi, phi):
    """(residue, 3, 3) Å of N, CA, C after an anchor residue (3, 3).

    psi: (residue,) rad, of the residue before each; phi: (residue,) rad, of each; ω is 180°.
    """
    made = np.empty((len(phi), 3, 3))
    n, ca, c = anchor[0], anchor[1], anchor[2]
    for i in range(len(phi)):
        next_n = place(n, ca, c, LENGTHS[0], ANGLES[0], psi[i])
        next_ca = place(ca, c, next_n, LENGTHS[1], ANGLES[1], np.pi)
        next_c = place(c, next_n, next_ca, LENGTHS[2], ANGLES[2], phi[i])
        made[i, 0], made[i, 1], made[i, 2] = next_n, next_ca, next_c
        n, ca, c = next_n, next_ca, next_c
    return made


def fragment(kind: str, length: int) -> np.ndarray:
    """(residue, 3, 3) Å of a helix "H" or strand "E" with its axis through 0 along z and, for a strand, the
    carbonyl of the middle residue along +x at z = 0 (the sheet then lies in the xz plane).
    """
    phi, psi = np.radians(HELIX if kind == "H" else STRAND)
    start = np.array([[0.0, 0, 0], [1.458, 0, 0], [2.0, 1.42, 0]])
    atoms = np.concatenate([start[None], extend(start, np.full(length - 1, psi), np.full(length - 1, phi))])
    ca = atoms[:, 1] - atoms[:, 1].mean(0)
    axis = np.linalg.svd(ca)[2][0]
    if kind == "H":  # second differences of a helix point at its axis
        inward = ca[:-2] - 2 * ca[1:-1] + ca[2:]
        axis = np.linalg.svd(inward)[2][2]
    axis = axis * np.sign(axis @ (ca[-1] - ca[0]))
    signs = (-1.0) ** (np.arange(length) - length // 2)
    side = (signs[:, None] * carbonyl(atoms)).mean(0) if kind == "E" else inward[0]
    side = side - (side @ axis) * axis
    side = side / np.linalg.norm(side)
    frame = np.stack([side, np.cross(axis, side), axis])
    made = (atoms - atoms[:, 1].mean(0)) @ frame.T
    if kind == "E":
        made[..., 2] -= made[length // 2, 1, 2]
    return made


def carbonyl(atoms: np.ndarray) -> np.ndarray:
    """(residue, 3) unit vectors near C=O, from N, CA, C alone: away from the middle of CA and the next N."""
    direction = atoms[:, 2] - atoms[:, 1]
    following = np.concatenate([atoms[1:, 0], atoms[-1:, 2] + direction[-1:]])
    out = 2 * atoms[:, 2] - atoms[:, 1] - following
    return out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-6)


def close(
    before: np.ndarray, after: np.ndarray, length: int, fixed: np.ndarray, random: np.random.Generator, tries: int
) -> np.ndarray | None:
    """A loop of `length` residues (length, 3, 3) Å from the residue `before` (3, 3) to `after` (3, 3), or None.

    Torsions are searched from random places of the Ramachandran plot until N, CA and C of the residue after the loop
    fall on `after`. fixed: (atom, 3) Å of the rest of the backbone, which the loop must stay clear of. The first of
    the `tries` that closes without a clash is taken.
    """
    far = cKDTree(fixed)
    ca = fixed[np.linalg.norm(fixed - before[1], axis=1) > 4.5]
    ca = ca[np.linalg.norm(ca - after[1], axis=1) > 4.5]

    def residuals(torsion: np.ndarray) -> np.ndarray:
        made = extend(before, torsion[: length + 1], torsion[length + 1 :])
        centre = made[:length, 1]
        gap = np.linalg.norm(centre[:, None] - ca[None], axis=-1).min(1) if len(ca) else np.full(length, 9.0)
        return np.concatenate([(made[-1] - after).ravel(), np.maximum(0, 4.5 - gap)])

    for _ in range(tries):
        basin = BASINS[random.choice(len(BASINS), length + 2, p=WEIGHTS)] + random.normal(0, 15, (length + 2, 2))
        start = np.radians(np.concatenate([basin[:-1, 1], basin[1:, 0]]))
        found = least_squares(residuals, start, max_nfev=40)
        made = extend(before, found.x[: length + 1], found.x[length + 1 :])
        if np.sqrt(np.square(made[-1] - after).sum(1).mean()) > CLOSED:
            continue
        inner = made[:length].reshape(-1, 3)[2:-1] if length > 1 else made[:length].reshape(-1, 3)[1:2]
        if far.query(inner)[0].min() > APART:
            return made[:length]
    return None


def oxygens(atoms: np.ndarray) -> np.ndarray:
    """(residue, 3) Å of the carbonyl oxygens, in the plane of CA, C and the next N; the last one is extended."""
    o = atoms[:, 2] + 1.231 * carbonyl(atoms)
    n, ca, c = atoms[-1]
    o[-1] = place(n, ca, c, 1.231, np.radians(120.5), np.radians(-45.0))
    return o


def build(elements: list, random: np.random.Generator, tries: int = 12) -> np.ndarray | None:
    """(residue, 3, 3) Å of N, CA, C of a whole chain through the elements (topologies.Element), or None where a loop
    cannot be closed.
    """
    placed = [e.turn.apply(fragment(e.kind, e.residues).reshape(-1, 3)).reshape(-1, 3, 3) + e.centre for e in elements]
    chain = [placed[0]]
    for element, before, after in zip(elements, placed, placed[1:]):
        others = [p[1:] if p is after else p[:-1] if p is before else p for p in placed] + chain[1::2]
        fixed = np.concatenate(others).reshape(-1, 3)
        lengths = range(element.loop, element.loop + 3)  # an insertion where the planned loop does not reach
        found = (close(before[-1], after[0], length, fixed, random, tries) for length in lengths)
        loop = next((each for each in found if each is not None), None)
        if loop is None:
            return None
        chain += [loop, after]
    return np.concatenate(chain)
