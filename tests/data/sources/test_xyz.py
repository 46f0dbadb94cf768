import io

import ase.io
import numpy as np
import pytest
from data.sources.miniature import molecule, molecules, trajectory, xyz_file

from lib.data.sources import xyz
from lib.data.sources.text import number
from lib.data.sources.xyz import Layout, layout


MADE = molecules(6)
ETHANOL = molecule("CCO")
FRAMES = trajectory("CCO", 10, 0)
LAYOUT = layout(FRAMES.split(b"\n", 2)[1], ("forces",))


def read(data, by=Layout()):  # noqa: B008
    starts, stops, _ = xyz.spans(data)
    return xyz.parse(data, starts, stops, str, by)


def test_extended_xyz_as_ase_reads_it():
    records, comments = read(FRAMES, LAYOUT)
    for k, atoms in enumerate(ase.io.iread(io.StringIO(FRAMES.decode()), format="extxyz")):
        own = slice(9 * k, 9 * k + 9)
        np.testing.assert_array_equal(records.z[own], atoms.numbers)
        np.testing.assert_array_equal(records.pos[own], atoms.positions.astype(np.float32))
        np.testing.assert_allclose(records.atom["forces"][own], atoms.get_forces(), rtol=1e-15)
        assert float(xyz.values(comments[k])["energy"]) == atoms.get_potential_energy()
    assert len(records) == 10


def test_columns_in_another_order():
    header = 'Properties=tag:I:1:forces:R:3:pos:R:3:species:S:1 energy=1 pbc="F F F"'
    lines = [f"7 {-x} {y} {z} {x} {y} {z} C" for x, y, z in 2.0 * np.eye(3)]
    data = "\n".join(["3", header, *lines, ""]).encode()
    records, _ = read(data, layout(header.encode(), ("forces",)))
    np.testing.assert_array_equal(records.pos, 2 * np.eye(3))
    np.testing.assert_array_equal(records.atom["forces"], 2 * np.eye(3) * [-1, 1, 1])


def test_numbers_for_symbols_exponents_and_windows_lines():
    data = b"2\r\nanything = at all\r\n6 1.5e-1 -2.D0 +3.\r\nCl\t1.0*^-1   0   .5\r\n"
    records, (comment,) = read(data)
    np.testing.assert_array_equal(records.z, [6, 17])
    np.testing.assert_allclose(records.pos, [[0.15, -2, 3], [0.1, 0, 0.5]], rtol=1e-7)
    assert comment == b"anything = at all"


@pytest.mark.parametrize("digits", [3, 8, 12, 17])
def test_numbers_are_right_to_the_last_bits(digits):
    for value in np.random.default_rng(digits).normal(0, 30, 500):
        word = f"{value:.{digits}f}"
        found, end = number(np.frombuffer(word.encode(), np.uint8), 0, len(word))
        assert end == len(word)
        assert found == pytest.approx(float(word), rel=3e-16, abs=0)


def test_a_missing_column_is_named():
    with pytest.raises(ValueError, match="has no forces"):
        layout(b"Properties=species:S:1:pos:R:3 energy=1", ("forces",))
    with pytest.raises(ValueError, match="expected extended xyz"):
        layout(b"energy=1", ("forces",))


BAD = {
    "truncated": b"3\n\nC 0 0 0\nC 0 0 2\n",
    "no atom count": b"three\n\nC 0 0 0\n",
    "unknown element": b"2\n\nC 0 0 0\nXy 0 0 2\n",
    "coordinate": b"2\n\nC 0 0 0\nC 0 0 2..1\n",
    "atoms closer": b"2\n\nC 0 0 0\nC 0 0 0.1\n",
    "no atoms": b"0\n\n",
    "text after": b"1\n\nC 0 0 0\nC 0 0 2\n",
}


@pytest.mark.parametrize("reason", BAD)
def test_a_bad_file_is_counted_by_reason_and_harms_no_other(reason):
    good = [xyz_file(m.z, m.pos) for m in MADE]
    contents = [*good[:2], BAD[reason], *good[2:]]
    records, _ = xyz.parse_files(contents, [f"{k}.xyz" for k in range(7)])
    ((place, name, why),) = records.failed
    assert (place, name) == (2, "2.xyz")
    assert why.startswith(reason)
    assert records.position.tolist() == [0, 1, 3, 4, 5, 6]
    np.testing.assert_array_equal(records.z, np.concatenate([m.z for m in MADE]))


@pytest.mark.parametrize("bad", [b"3\n\nC 0 0 0\nC 0 0 2\n", b"2\n\nC 0 0 0\n\xff\xfe 1\n", b"2\n\nC 0 0 x\nC 0 0 1\n"])
def test_a_damaged_frame_between_others_is_one_failure(bad):
    frames = [xyz_file(m.z, m.pos) for m in MADE]
    records, _ = read(b"".join([*frames[:3], bad, *frames[3:]]))
    assert len(records) == 6
    assert [place for place, _, _ in records.failed] == [3]


def test_frames_with_another_header_are_refused():
    other = xyz_file(ETHANOL.z, ETHANOL.pos, "Properties=species:S:1:pos:R:3 energy=1", ETHANOL.pos)
    records, comments = read(FRAMES + other, LAYOUT)
    assert len(records) == len(comments) == 10
    assert records.failed == [(10, "10", "other columns than the first frame")]


@pytest.mark.parametrize("step", [1, 13, 500, 10**6])
def test_pieces_hold_whole_frames_whatever_the_stream(step):
    pieces = list(xyz.pieces(FRAMES[k : k + step] for k in range(0, len(FRAMES), step)))
    assert b"".join(data for data, _, _ in pieces) == FRAMES
    parts = [xyz.parse(*piece, str, LAYOUT)[0] for piece in pieces]
    np.testing.assert_array_equal(np.concatenate([p.pos for p in parts]), read(FRAMES, LAYOUT)[0].pos)


def test_a_file_cut_off_at_any_byte_never_gives_a_wrong_frame():
    whole, _ = read(FRAMES, LAYOUT)
    ends = np.flatnonzero(np.frombuffer(FRAMES, np.uint8) == 10)[10::11] + 1
    for stop in range(1, 2500):
        records, _ = read(FRAMES[:stop], LAYOUT)
        assert len(records) == np.searchsorted(ends, stop, side="right")
        np.testing.assert_array_equal(records.pos, whole.pos[: len(records.pos)])
        np.testing.assert_array_equal(records.atom["forces"], whole.atom["forces"][: len(records.pos)])


def test_a_plain_file_needs_no_newline_at_its_end():
    records, _ = xyz.parse_files([b"1\n\nC 0 0 1.25"], ["1.xyz"])
    np.testing.assert_array_equal(records.pos, [[0, 0, 1.25]])
