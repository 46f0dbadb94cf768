"""Hyper-parameters that fix an encoder's architecture, stored beside every checkpoint."""

import importlib.util
import os
import re
from dataclasses import dataclass
from pathlib import Path


EMBEDDING_ROWS = 100  # row index = atomic number, as in the published tables


def architectures() -> list[str]:
    """Names of the files of this folder that define a `Representation`: a new one needs no other file changed."""
    return sorted(p.stem for p in Path(__file__).parent.glob("*.py") if "\nRepresentation = " in p.read_text())


def may_compile() -> bool:
    """Whether encoders may use compiled loops: numba is installed, and EAGER_ENCODERS is not set in the environment.

    The loops are compiled anew for every width: for a trial of seconds that takes longer than it saves.
    """
    return importlib.util.find_spec("numba") is not None and not os.environ.get("EAGER_ENCODERS")


@dataclass(frozen=True)
class EncoderConfig:
    """Size and kind of an encoder; lengths in Å."""

    architecture: str = "et"
    layers: int = 6
    hidden: int = 64
    rbf: int = 64
    cutoff: float = 7.5
    heads: int = 8
    smooth: bool = True  # vector messages fade out at the cutoff; the published weights were trained without

    def __post_init__(self):
        if self.architecture not in architectures():
            raise ValueError(f"architecture {self.architecture!r} is not one of {', '.join(architectures())}")
        if self.hidden % self.heads:
            raise ValueError(f"hidden size {self.hidden} is not a multiple of the {self.heads} heads")
        if min(self.layers, self.rbf, self.cutoff) <= 0:
            raise ValueError(
                f"layers {self.layers}, rbf {self.rbf} and cutoff {self.cutoff} must all be positive (cutoff in Å)"
            )


def from_published_name(path: str | Path) -> EncoderConfig:
    """Read the hyper-parameters off a published file name such as `et_l6_h64_rbf64_r75.pth` (r75 is 7.5 Å, r5 5 Å).

    Raises ValueError for a name that does not follow the pattern.
    """
    name = Path(path).name
    match = re.match(r"(?P<kind>et|vis|visnet|tensornet)_l(?P<l>\d+)_h(?P<h>\d+)_rbf(?P<k>\d+)_r(?P<r>\d+)", name)
    if match is None:
        raise ValueError(
            f"{name}: expected a published name such as et_l6_h64_rbf64_r75.pth, "
            "which gives architecture, layers, hidden size, radial functions and cutoff"
        )
    digits = match["r"]
    # r75 means 7.5 and r5 means 5.0, but r12 can only be meant as 12: no encoder has a cutoff of 1.2 Å
    cutoff = float(digits) if len(digits) == 1 or digits[0] == "1" else float(f"{digits[0]}.{digits[1:]}")
    kind = {"vis": "visnet"}.get(match["kind"], match["kind"])
    return EncoderConfig(kind, int(match["l"]), int(match["h"]), int(match["k"]), cutoff, smooth=False)
