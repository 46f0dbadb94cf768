import shutil

import numpy as np
import pytest

from lib.data.scop import read_domains
from lib.paths import ROOT


HEAD = "name\tscop2_class\tscop2_fold\tscop2_superfamily\tscop175_fold\tn_res\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pdb").mkdir()
    for name in ("one", "two", "three", "four"):
        shutil.copy(ROOT / "lib" / "make" / "start" / "pentapeptide.pdb", tmp_path / "pdb" / f"{name}.pdb")
    rows = [
        "one\t1000003\t2\t3\t-\t5",
        "two\t-\t-\t-\ta.39\t5",
        "three\t-\t-\t-\t-\t5",
        "four\t1000000\t4\t5\tb.1\t900",
    ]
    (tmp_path / "labels.tsv").write_text(HEAD + "\n".join(rows) + "\n")
    return tmp_path


def test_classes_of_both_releases_mean_the_same(folder):
    one, two = read_domains(folder, largest=300)  # three has no class, four is too large
    assert (one.kind, one.fold, one.superfamily, one.group) == ("α+β", "2", "3", "3")
    assert (two.kind, two.fold, two.superfamily, two.group) == ("all α", "a.39", None, "a.39")
    assert one.pos.shape == (len(one.z), 3)
    assert 1.5 < np.linalg.norm(one.pos[1] - one.pos[0]) < 30 or one.pos.std() > 1  # Å, not nm
    assert list(np.unique(one.residue)) == list(range(5))
    assert len(read_domains(folder, 300, limit=1)) == 1


def test_a_table_without_labels_is_refused(folder):
    (folder / "labels.tsv").write_text("name\nx\n")
    with pytest.raises(ValueError, match="lacks the columns"):
        read_domains(folder, 300)
    (folder / "labels.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"labels\.tsv"):
        read_domains(folder, 300)


def test_the_outside_domains_are_read_and_their_two_labels_agree(reference):
    import pandas as pd

    from lib.data.scop import CLASSES

    place = reference("data/scop_domains")
    found = read_domains(place, largest=10_000, limit=20)
    assert len(found) == 20
    table = pd.read_csv(place / "labels.tsv", sep="\t", dtype=str)
    both = table[(table.scop2_class != "-") & (table.scop175_fold != "-")]
    same = both.scop2_class.map(CLASSES) == both.scop175_fold.str[0].map(CLASSES)
    assert same.mean() > 0.9
    assert len(both) > 30
