import numpy as np
import pytest
from data.sources.miniature import molecule, molecules, sd_file
from rdkit import Chem

from lib.data.sources import sdf


MADE = molecules(20)


def changed(block: str, line: int, new: str) -> str:
    lines = block.split("\n")
    lines[line] = new
    return "\n".join(lines)


def test_the_same_atoms_as_rdkit_reads(tmp_path):
    (tmp_path / "m.sdf").write_bytes(sd_file(MADE))
    records = sdf.parse(sd_file(MADE))
    start = 0
    for mol, size in zip(Chem.SDMolSupplier(str(tmp_path / "m.sdf"), removeHs=False), records.sizes):
        np.testing.assert_array_equal(records.z[start : start + size], [a.GetAtomicNum() for a in mol.GetAtoms()])
        expected = mol.GetConformer().GetPositions().astype(np.float32)
        np.testing.assert_array_equal(records.pos[start : start + size], expected)
        start += size
    assert (records.seen, len(records), start) == (20, 20, len(records.z))


def test_windows_lines_properties_and_columns_without_blanks():
    mol = Chem.MolFromMolBlock(MADE[0].block, removeHs=False)
    mol.GetConformer().SetAtomPosition(0, [-1234.5678, -1000.0001, -2345.6789])
    block = Chem.MolToMolBlock(mol) + "> <gap>\n5.1\n\n$$$$\n"
    assert "-1234.5678-1000.0001-2345.6789" in block
    for data in (block, block.replace("\n", "\r\n")):
        records = sdf.parse(data.encode())
        np.testing.assert_array_equal(records.pos[0], np.float32([-1234.5678, -1000.0001, -2345.6789]))
        assert records.sizes.tolist() == [len(MADE[0].z)]


GOOD = molecule("CCO").block
BAD = {
    "truncated": [GOOD[: GOOD.index("M  END")], GOOD[:300], "name\n\n", changed(GOOD, 5, "M  END")],
    "no atom count": [changed(GOOD, 3, "   "), changed(GOOD, 3, "abc  0  0")],
    "not V2000": [changed(GOOD, 3, GOOD.split("\n")[3].replace("V2000", "V3000"))],
    "unknown element": [changed(GOOD, 4, GOOD.split("\n")[4].replace(" C ", symbol)) for symbol in (" Qq", " * ")],
    "coordinate": [
        changed(GOOD, 4, "       nan" + GOOD.split("\n")[4][10:]),
        changed(GOOD, 4, "    1.2 3 " + GOOD.split("\n")[4][10:]),
    ],
    "atoms closer": [changed(GOOD, 5, GOOD.split("\n")[4])],
    "no atoms": [changed(GOOD, 3, "  0  0" + GOOD.split("\n")[3][6:])],
}


@pytest.mark.parametrize(("reason", "block"), [(why, block) for why, blocks in BAD.items() for block in blocks])
def test_a_bad_record_is_counted_by_reason_and_harms_no_other(reason, block):
    block = "culprit" + block[block.index("\n") :]
    data = sd_file(MADE[:2]) + (block.rstrip("\n") + "\n$$$$\n").encode() + sd_file(MADE[2:4])
    records = sdf.parse(data)
    ((place, name, why),) = records.failed
    assert (place, name) == (2, "culprit")
    assert why.startswith(reason)
    assert records.position.tolist() == [0, 1, 3, 4]
    np.testing.assert_array_equal(records.z, np.concatenate([m.z for m in MADE[:4]]))


def test_a_file_cut_off_at_any_byte_never_gives_a_wrong_molecule():
    whole = sd_file(MADE[:2])
    for stop in range(0, len(whole), 3):
        records = sdf.parse(whole[:stop])
        assert records.seen == len(records) + len(records.failed)
        for k, size in enumerate(records.sizes):
            assert size == len(MADE[k].z)
        np.testing.assert_array_equal(records.pos, sdf.parse(whole).pos[: len(records.pos)])
    last = sdf.parse(whole[: whole.rindex(b"M  END") + 6])  # only the separator is missing
    assert len(last) == 2


@pytest.mark.parametrize("step", [1, 7, 1000, 10**6])
def test_pieces_hold_whole_records_whatever_the_stream(step):
    data = sd_file(MADE[:3]) + b"\n\n"
    pieces = list(sdf.pieces(data[k : k + step] for k in range(0, len(data), step)))
    assert b"".join(pieces).rstrip() == data.rstrip()
    assert sum(sdf.parse(piece).seen for piece in pieces) == 3


def test_blocks_are_the_records_as_written():
    assert [block.decode() for block in sdf.blocks(sd_file(MADE[:3]))][:3] == [m.block.rstrip("\n") for m in MADE[:3]]


def test_what_is_no_sd_file_ends_early():
    with pytest.raises(ValueError, match="expected an SD file"):
        list(sdf.pieces(b"x" * (1 << 20) for _ in range(100)))
