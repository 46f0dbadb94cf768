"""Where residues are seen from each other: local frames, angles between them, backbone and side-chain torsions."""

import torch
from torch import Tensor


TINY = 1e-6


def unit(vector: Tensor) -> Tensor:
    """(..., 3) scaled to length 1; 0 stays 0."""
    return vector / torch.linalg.vector_norm(vector, dim=-1, keepdim=True).clamp_min(TINY)


def cross(a: Tensor, b: Tensor) -> Tensor:
    """Cross product over the last dimension."""
    return torch.linalg.cross(a, b, dim=-1)


def torsion(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """Dihedral angle (...,) in (-π, π] of four points (..., 3), signed as by IUPAC; 0 where three are on a line."""
    first, axis, last = b - a, c - b, d - c
    m, n = cross(first, axis), cross(axis, last)
    sine = (cross(m, n) * unit(axis)).sum(-1)
    return torch.atan2(sine, (m * n).sum(-1))


def frames(n: Tensor, ca: Tensor, c: Tensor) -> Tensor:
    """(..., 3, 3) orthonormal right-handed rows: CA to C, in the plane of N towards N, and normal to it."""
    first = unit(c - ca)
    normal = unit(cross(first, n - ca))
    return torch.stack([first, cross(normal, first), normal], -2)


def euler(one: Tensor, other: Tensor) -> Tensor:
    """(..., 3) Euler angles (z-y-z; α, β, γ) of frame `other` as seen from frame `one` (..., 3, 3).

    β lies in [0, π], α and γ in (-π, π]. Together they fix the relative orientation (ProNet section 3.3, the backbone
    level).
    """
    turn = one @ other.transpose(-1, -2)  # turn[i, j]: component of other's axis j along one's axis i
    alpha = torch.atan2(turn[..., 1, 2], turn[..., 0, 2])
    beta = torch.atan2(torch.linalg.vector_norm(turn[..., :2, 2], dim=-1), turn[..., 2, 2])
    gamma = torch.atan2(turn[..., 2, 1], -turn[..., 2, 0])
    return torch.stack([alpha, beta, gamma], -1)


def references(segment: Tensor) -> tuple[Tensor, Tensor]:
    """Row of the residue before and after each one (residue,), within the same segment.

    segment: (residue,) long, ascending, one number for a stretch of bonded residues of one protein. At an end the two
    nearest residues of the segment are taken, in the order of the chain; a residue of a segment of one or two has
    itself where there is no other. No neighbour is taken from another protein or across a gap.
    """
    row = torch.arange(len(segment), device=segment.device)
    counts = torch.unique_consecutive(segment, return_counts=True)[1]
    first = torch.repeat_interleave(counts.cumsum(0) - counts, counts)
    last = first + torch.repeat_interleave(counts, counts) - 1
    before, after = row - 1, row + 1
    start, end = row == first, row == last
    before = torch.where(start, row + 1, torch.where(end, row - 2, before))
    after = torch.where(start, row + 2, torch.where(end, row - 1, after))
    inside = lambda index: torch.where((index < first) | (index > last), row, index)  # noqa: E731
    return inside(before), inside(after)


def directions(ca: Tensor, centre: Tensor, neighbour: Tensor, before: Tensor, after: Tensor) -> tuple[Tensor, ...]:
    """Distance (Å), polar angle θ, azimuth φ of each neighbour seen from its centre, and the turn τ about their line.

    ca: (residue, 3) Å. centre, neighbour: (edge,) rows. before, after: (residue,) rows from `references`, which span
    the frame of a residue. τ is the torsion between a reference of the centre and one of the neighbour, neither of
    which is the other end of the edge where there is a choice (ProNet section 3.2, the amino-acid level).
    """
    arrow = ca[neighbour] - ca[centre]
    back, forth = ca[before[centre]] - ca[centre], ca[after[centre]] - ca[centre]
    theta = angle(arrow, back)
    normal = cross(back, forth)
    # the azimuth of the arrow about `back`, from the plane of the two references
    plane = cross(back, arrow)
    phi = torch.atan2((cross(normal, plane) * unit(back)).sum(-1), (normal * plane).sum(-1))
    here = torch.where(before[centre] == neighbour, after[centre], before[centre])
    there = torch.where(before[neighbour] == centre, after[neighbour], before[neighbour])
    tau = torsion(ca[here], ca[centre], ca[neighbour], ca[there])
    return torch.linalg.vector_norm(arrow, dim=-1), theta, phi, tau


def angle(a: Tensor, b: Tensor) -> Tensor:
    """Angle (...,) in [0, π] between two vectors (..., 3)."""
    return torch.atan2(torch.linalg.vector_norm(cross(a, b), dim=-1), (a * b).sum(-1))


def backbone_torsions(backbone: Tensor, segment: Tensor) -> Tensor:
    """(residue, 6): sine and cosine of φ, ψ and ω; 0 for both where a torsion does not exist.

    backbone: (residue, 3, 3) Å of N, CA, C. segment: as in `references`.
    """
    n, ca, c = backbone.unbind(1)
    joined = torch.zeros(len(segment), dtype=torch.bool, device=segment.device)
    joined[:-1] = segment[1:] == segment[:-1]  # to the next residue
    row = torch.arange(len(segment), device=segment.device)
    following, previous = torch.where(joined, row + 1, row), torch.where(joined.roll(1), row - 1, row)
    angles = torch.stack(
        [
            torsion(c[previous], n, ca, c),
            torsion(n, ca, c, n[following]),
            torsion(ca, c, n[following], ca[following]),
        ],
        -1,
    )
    there = torch.stack([joined.roll(1), joined, joined], -1)
    return sines(angles, there)


def sines(angles: Tensor, there: Tensor) -> Tensor:
    """(residue, 2 k): sines, then cosines, of angles (residue, k); 0 where not `there` (residue, k) or not a number."""
    both = torch.cat([angles.sin(), angles.cos()], -1)
    mask = torch.cat([there, there], -1) & both.isfinite()
    return torch.where(mask, both, torch.zeros_like(both))
