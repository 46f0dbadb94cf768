"""The systems whose kinetics the papers study: what each is, where its trajectories come from, the published lags.

`python -m lib.data.systems` prints them and says which are here. None stands for "not found in any source that we could
read"; such a number is never filled in. The folder, below data/ (ours) or data-public/ (fetched), is the name that
`load_system` takes.
"""

from dataclasses import dataclass, field
from pathlib import Path

from lib.paths import DATA, ROOT


DESRES_FRAME_PS = 200.0  # the DCD headers of these sets say 1 ps, which is wrong
REQUEST = "https://www.deshawresearch.com/downloads/download_trajectory_science2011.cgi/"
SIMULATED, MDSHARE, DESRES = "simulated", "mdshare", "DESRES"


@dataclass(frozen=True)
class Trajectories:
    """One set of trajectories of a system.

    folder: see `place`. frames: in each trajectory where that is known exactly. archives: what a request to D. E. Shaw
    Research gives, one trajectory each, with the number of DCD parts in `parts`. about: its length as far as known.
    """

    folder: str
    origin: str
    temperature_K: float | None = None  # of our own sets: on the card
    frame_ps: float | None = None
    frames: tuple[int, ...] | None = None
    archives: tuple[str, ...] = ()
    parts: int | None = None
    about: str = ""

    @property
    def how(self) -> str:
        """One sentence: how to get it."""
        if self.origin == DESRES:
            return (
                f"request {', '.join(self.archives)} at {REQUEST} (not to be passed on) "
                f"and unpack into data-public/{self.folder}"
            )
        if self.origin == MDSHARE:
            return f"`python -m lib.data.sources.mdshare {self.folder}` downloads it"
        return "`dvc pull data` fetches it, `make data` simulates it anew"


@dataclass(frozen=True)
class Entry:
    """One system. sequence: one letter a residue, X for norleucine. lags_ps: where it was used -> ps."""

    name: str
    sequence: str | None
    atoms: int | None
    residues: int
    sets: tuple[Trajectories, ...]
    lags_ps: dict[str, float] = field(default_factory=dict)
    note: str = ""


def _desres(folder: str, temperature_K: float, about: str, parts: int | None, *runs: str) -> Trajectories:
    archives = tuple(f"DESRES-Trajectory_{run}-protein" for run in runs)
    return Trajectories(folder, DESRES, temperature_K, DESRES_FRAME_PS, None, archives, parts, about)


# Numbers of P2's sets as in the authors' scripts and notebooks; villin's sequence as in SEQRES of the entry 2F4K,
# trp-cage's as quoted by users of the archive. A test derives the numbers of atoms from the sequences.
REGISTRY = (
    Entry(
        "ala2",
        "A",
        22,
        3,
        (
            Trajectories("ala2", SIMULATED),
            Trajectories("mdshare-ala2", MDSHARE, 300.0, 1.0, (250_000,) * 3, about="3 x 250 ns"),
        ),
        note="acetyl and N-methyl caps count as residues; P1's lag was not found",
    ),
    Entry(
        "pentapeptide",
        "WLALL",
        94,
        5,
        (
            Trajectories("pentapeptide", SIMULATED),
            Trajectories("mdshare-pentapeptide", MDSHARE, 300.0, 100.0, (5001,) * 25, about="25 x 500 ns"),
        ),
        note="P1's lag was not found",
    ),
    Entry(
        "chignolin",
        "YYDPETGTWY",
        166,
        10,
        (
            Trajectories("chignolin", SIMULATED),
            _desres("desres-chignolin", 340.0, "106 us, about 534,743 frames", 54, "CLN025-0"),
        ),
        {"P2, training scripts": 2_000.0, "P2, VAMPnet notebooks": 20_000.0, "P2, SPIB notebook": 2_000.0},
        "CLN025",
    ),
    Entry(
        "trp-cage",
        "DAYAQWLADGGPSSGRPPPS",
        272,
        20,
        (_desres("desres-trp-cage", 290.0, "208 us, about 1.04 million frames", 105, "2JOF-0"),),
        {"P2, training scripts": 10_000.0},
        "2JOF",
    ),
    Entry(
        "villin",
        "LSDEDFKAVFGMTRSAFANLPLWXQQHLXKEKGLF",
        577,
        35,
        (_desres("desres-villin", 360.0, "125 us, about 627,900 frames", 63, "2F4K-0"),),
        {"P2, training scripts": 20_000.0, "P2, SPIB notebook": 10_000.0},
        "2F4K",
    ),
    Entry(
        "lambda6-85",
        None,
        None,
        80,
        (_desres("desres-lambda", 350.0, "four trajectories", None, *(f"lambda-{i}" for i in range(4))),),
        note="P1 does not say, in what we could read, whose trajectories it used; P1's lag was not found",
    ),
)


PUBLIC = ROOT / "data-public"  # what others made: fetched or unpacked here, never committed; data/ belongs to data.dvc


def place(folder: str, root: Path = DATA) -> Path:
    """Where a set lies: below `root`, or else below data-public/."""
    return root / folder if (root / folder).exists() or not (PUBLIC / folder).exists() else PUBLIC / folder


def of_folder(folder: str) -> Trajectories | None:
    """The set that lies in the folder; None for a set of the user's own."""
    return next((each for entry in REGISTRY for each in entry.sets if each.folder == folder), None)


def table(root: Path = DATA) -> str:
    """One line a set, and below it how to get what is not here."""
    from lib.data.layout import find  # which asks this module what a folder should hold
    from lib.data.trajectories import read_card

    known = lambda value, text="{:g}": "not found" if value is None else text.format(value)  # noqa: E731
    lines = []
    for entry in REGISTRY:
        lags = ", ".join(f"{lag / 1000:g} ns ({where})" for where, lag in entry.lags_ps.items()) or "not found"
        lines += [
            f"{entry.name}: {entry.residues} residues, sequence {known(entry.sequence, '{}')}, "
            f"atoms {known(entry.atoms)}" + (f" ({entry.note})" if entry.note else ""),
            f"  published lags: {lags}",
        ]
        for each in entry.sets:
            try:
                here = f"here, {len(find(place(each.folder, root)).trajectories)} trajectories"
            except FileNotFoundError:
                here = f"not here: {each.how}"
            except ValueError as error:
                here = f"not complete: {error}"
            card = read_card(place(each.folder, root)) or {}
            kelvin = card.get("settings", {}).get("temperature_K", each.temperature_K)
            frame_ps = card.get("sizes", {}).get("frame_ps", each.frame_ps)
            what = [each.origin, kelvin and f"{kelvin:g} K", frame_ps and f"every {frame_ps:g} ps", each.about]
            lines.append(f"  {each.folder} ({', '.join(filter(None, what))}): {here}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
