"""A VAMPnet on frozen tokens beside one that trains the encoder with it: processor time of an epoch."""

from statistics import median

from benchmarks import spent
from benchmarks.report import save, table
from lib.dynamics.epoch import jittered, prepared
from lib.models import EncoderConfig


SIZES = {  # of the encoder: the suite's, and that of P2's joint training
    "et-64": EncoderConfig("et", 6, 64, 64, 7.5),
    "visnet-16": EncoderConfig("visnet", 6, 16, 16, 5.0),
}
WAYS = [("frozen", "et-64"), ("embedding", "et-64"), ("joint", "et-64"), ("joint", "visnet-16")]
SYSTEMS = {"ala2": (1, 2, 4), "pentapeptide": (1,), "hp35-model": (1,)}  # batches in an epoch
BATCH = 1500  # atoms: as many pairs in a batch, but at least 8
MIXER = "submixer"


def epoch(way: str, size: str, structure: str, pairs: int, batches: int):
    """A function that trains for one epoch, or embeds its frames."""
    return prepared(way, SIZES[size], structure, pairs, batches, name=MIXER)


COLUMNS = {
    "system": "system",
    "atoms": "atoms",
    "pairs": "pairs in an epoch",
    "batch": "batch",
    "way": "way",
    "encoder": "encoder",
    "time": "processor s an epoch",
}


def main(arguments, own) -> None:
    """Every way on every system; the frames of one epoch differ by jitter only, which changes no time."""
    rows = []
    for system, counts in SYSTEMS.items():
        atoms = len(jittered(system, 1)[0])
        size = max(8, BATCH // atoms)
        for batches in counts if not arguments.quick else (1,):
            jobs = {way: (epoch, (*way, system, size, batches)) for way in WAYS}
            found = spent.seconds(own, jobs, arguments.seconds, arguments.rounds)
            for (way, encoder), seconds in found.items():
                row = {"system": system, "atoms": atoms, "pairs": batches * size, "batch": size, "way": way}
                rows.append({**row, "encoder": encoder, "seconds": seconds, "time": median(seconds)})
                print(table(rows[-1:], COLUMNS, header=len(rows) == 1), flush=True)
    save(arguments.out, "cost", rows)
