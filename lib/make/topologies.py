"""Folds as helices and strands in space: where each element stands, and which way the chain runs through it."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation


# element: kind, column, layer, direction along the chain, residues, residues of the loop that follows.
# A column is 4.8 Å (between strands) or 9.5 Å (between helices) along x, a layer 10 Å along y, the chain runs along z.
# Crossovers between parallel strands are right-handed, as in nature: rising column, helix in layer -1.
FOLDS = {
    "helical-hairpin": "H 0 0 + 13 4, H 1 0 - 13 0",
    "helix-corner": "H 0 0 + 12 6, H 0.6 1 x 11 0",
    "three-helix-left": "H 0 0 + 10 4, H 1 0 - 10 4, H 0.5 0.8 + 10 0",
    "three-helix-right": "H 0 0 + 10 4, H 1 0 - 10 4, H 0.5 -0.8 + 10 0",
    "four-helix-bundle": "H 0 0 + 10 4, H 1 0 - 10 4, H 1 1 + 10 4, H 0 1 - 10 0",
    "beta-hairpin": "E 0 0 + 8 3, E 1 0 - 8 0",
    "meander-3": "E 0 0 + 6 3, E 1 0 - 6 3, E 2 0 + 6 0",
    "meander-4": "E 0 0 + 6 3, E 1 0 - 6 3, E 2 0 + 6 3, E 3 0 - 6 0",
    "greek-key": "E 2 0 + 5 3, E 1 0 - 5 3, E 0 0 + 5 7, E 3 0 - 5 0",
    "beta-sandwich": "E 0 0 + 6 3, E 1 0 - 6 5, E 1 1 + 6 3, E 0 1 - 6 0",
    "beta-barrel": "E 0 b + 5 4, E 1 b - 5 4, E 2 b + 5 4, E 3 b - 5 4, E 4 b + 5 4, E 5 b - 5 0",
    "beta-alpha-beta": "E 0 0 + 5 4, H 0.3 -1 - 10 4, E 1 0 + 5 0",
    "beta-beta-alpha": "E 0 0 + 5 3, E 1 0 - 5 4, H 0.3 -1 + 11 0",
    "rossmann-half": "E 0 0 + 5 4, H 0.2 -1 - 9 4, E 1 0 + 5 4, H 1.1 -1 - 9 4, E 2 0 + 5 0",
    "grasp-like": "E 1 0 + 5 3, E 0 0 - 5 4, H 0.8 -1 + 11 4, E 3 0 - 5 3, E 2 0 + 5 0",
    "ferredoxin-like": "E 1 0 + 5 4, H 1.3 -1 - 9 4, E 3 0 + 5 3, E 2 0 - 5 4, H 0.2 -1 + 9 4, E 0 0 - 5 0",
}
STRANDS, HELICES, LAYERS = 4.8, 9.5, 10.0  # Å between neighbours
BARREL_TILT = 54.0  # degrees between strand and axis of a barrel of 6 strands and shear 12


@dataclass(frozen=True)
class Element:
    """A helix "H" or strand "E" of the chain and the loop after it."""

    kind: str
    residues: int
    loop: int
    centre: np.ndarray  # (3,) Å
    turn: Rotation  # from the fragment's own frame


@dataclass(frozen=True)
class Design:
    """What members of a superfamily or family share: degrees, Å, and residues added to or taken from each element."""

    twist: float  # from strand to strand, negative as in nature
    tilt: float  # of helices against the strands or the axis of the bundle
    breathe: float  # factor on distances between helices and between layers
    longer: tuple[int, ...]  # per element
    loops: tuple[int, ...]  # per element

    def varied(self, random: np.random.Generator, degrees: float, residues: int) -> "Design":
        """A design near this one: angles by `degrees`, lengths by up to `residues`."""
        change = lambda values: tuple(int(v + random.integers(-residues, residues + 1)) for v in values)  # noqa: E731
        return Design(
            self.twist + random.normal(0, degrees / 2),
            self.tilt + random.normal(0, degrees),
            self.breathe * (1 + random.normal(0, 0.01)),
            change(self.longer),
            tuple(max(0, v) for v in change(self.loops)),
        )


def parse(fold: str) -> list[tuple]:
    """(kind, column, layer, direction, residues, loop) of each element; ValueError for an unknown fold."""
    if fold not in FOLDS:
        raise ValueError(f"fold {fold!r} is not one of {', '.join(FOLDS)}")
    found = []
    for text in FOLDS[fold].split(","):
        kind, column, layer, direction, residues, loop = text.split()
        found.append((kind, float(column), layer, direction, int(residues), int(loop)))
    return found


def first_design(fold: str, random: np.random.Generator) -> Design:
    """A design of a new superfamily."""
    elements = len(parse(fold))
    return Design(
        twist=random.normal(-20, 4),
        tilt=random.normal(18, 6),
        breathe=random.uniform(0.96, 1.05),
        longer=tuple(int(v) for v in random.integers(-1, 3, elements)),
        loops=tuple(int(v) for v in random.integers(0, 2, elements)),
    )


def arrange(fold: str, design: Design, random: np.random.Generator, shake: float) -> list[Element]:
    """The elements of one domain. shake: Å and twice that in degrees, by which each is moved at random."""
    parsed = parse(fold)
    strands = [column for kind, column, *_ in parsed if kind == "E"]
    middle = np.mean(strands) if strands else None
    made = []
    for (kind, column, layer, direction, residues, loop), longer, extra in zip(parsed, design.longer, design.loops):
        half = Rotation.identity() if direction != "-" else Rotation.from_euler("y", 180, degrees=True)
        if layer == "b":
            centre, turn = on_barrel(column)
        else:
            centre, turn = on_layer(kind, column, float(layer), direction, design, middle)
        turn = Rotation.from_rotvec(random.normal(0, 2 * shake, 3), degrees=True) * turn * half
        if kind == "H":  # any side of a helix may face the core
            turn = turn * Rotation.from_euler("z", random.uniform(0, 360), degrees=True)
        length = max(4 if kind == "E" else 7, residues + longer)
        made.append(Element(kind, length, loop + extra if loop else 0, centre + random.normal(0, shake, 3), turn))
    return made


def on_layer(kind: str, column: float, layer: float, direction: str, design: Design, middle: float | None) -> tuple:
    """Centre (3,) Å and rotation of an element of flat layers; strands turn from column to column.

    middle: mean column of the strands, None in a bundle of helices.
    """
    if kind == "E":
        centre = np.array([STRANDS * (column - middle), LAYERS * layer * design.breathe, 0])
        turn = Rotation.from_euler("x", design.twist * (column - middle), degrees=True)
        if layer:  # two packed sheets are turned against each other by about 30°
            packed = Rotation.from_euler("y", -30 * layer, degrees=True)
            centre, turn = packed.apply(centre), packed * turn
        return centre, turn
    if middle is not None:
        centre = np.array([HELICES * column - STRANDS * middle, LAYERS * layer * design.breathe, 0])
        angle = -design.tilt - 10
    else:
        centre = np.array([HELICES * column, LAYERS * layer, 0]) * design.breathe
        angle = 90.0 if direction == "x" else design.tilt * (column - 0.5 + 0.3 * layer)
    axis = "y" if middle is not None or direction == "x" else "x"
    return centre, Rotation.from_euler(axis, angle, degrees=True)


def on_barrel(column: float) -> tuple:
    """Centre (3,) Å and rotation of a strand of a closed barrel of six, tilted against its axis."""
    tilt, angle = np.radians(BARREL_TILT), column * np.pi / 3
    radius = STRANDS / (2 * np.sin(np.pi / 6) * np.cos(tilt))
    out, along = np.array([np.cos(angle), np.sin(angle), 0]), np.array([-np.sin(angle), np.cos(angle), 0])
    axis = np.cos(tilt) * np.array([0, 0, 1]) + np.sin(tilt) * along
    side = np.cross(out, axis)
    return radius * out, Rotation.from_matrix(np.stack([-side, np.cross(axis, -side), axis], 1))
