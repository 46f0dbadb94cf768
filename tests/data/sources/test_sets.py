"""Every public set in miniature, from its own archives to the packed file."""

import gzip
import json
from base64 import b64decode
from collections import Counter
from dataclasses import replace

import h5py
import numpy as np
import pytest
from data.sources import miniature
from data.sources.miniature import denali as mini_denali
from data.sources.miniature import molecule, molecules, saved, table, xyz_file, zipped
from data.sources.server import serving

from lib.data.molecules import SPLITS, load
from lib.data.sources import denali, md17, pcqm4mv2, public_sets, qm7, qm9, xxmd
from lib.data.sources.__main__ import main
from lib.data.sources.source import File
from lib.data.sources.units import HARTREE, KCAL, check_total_energy, free_atoms


PYG = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")  # when PyG is first imported


def made(source, content, folder, limit=None):
    """Write the files of a set and pack it; gives the reports by the name of the folder."""
    saved(content, folder / "raw")
    reports = source.make(folder / "raw", folder / source.name, limit, 0)
    return {place.name: report for place, report in reports.items()}


@pytest.fixture
def pcqm(monkeypatch):
    monkeypatch.setattr(pcqm4mv2, "TRAINING", 60)


@pytest.mark.parametrize("source", [pcqm4mv2.SOURCE, pcqm4mv2.FROM_XYZ], ids=["sdf", "xyz"])
def test_pcqm4mv2_with_labels_in_the_order_of_the_table(tmp_path, pcqm, source):
    made(source, miniature.pcqm4mv2(), tmp_path)
    packed, whole = load(tmp_path / source.name / "molecules.h5"), molecules(60)
    assert packed.smiles.tolist() == [m.smiles for m in whole]
    np.testing.assert_array_equal(packed.z, np.concatenate([m.z for m in whole]))
    np.testing.assert_array_equal(packed.pos, np.concatenate([m.pos for m in whole]).astype(np.float32))
    np.testing.assert_array_equal(packed.molecule["gap_eV"], 5 + np.arange(60) / 100)
    for smiles in set(packed.smiles):
        assert len(set(packed.split[packed.smiles == smiles])) == 1
    assert set(packed.split) == {0, 1, 2}


@PYG
def test_pcqm4mv2_labels_split_and_evaluator(tmp_path):
    saved(miniature.pcqm4mv2(), tmp_path)
    split = pcqm4mv2.label_split(tmp_path / "pcqm4m-v2.zip")
    assert {name: len(rows) for name, rows in split.items()} == {"train": 60, "valid": 1, "test-dev": 4}
    true = np.array([1.0, 2.0, 4.0])
    assert pcqm4mv2.evaluate(true, np.array([1.5, 1.5, 4.2])) == pytest.approx(0.4)
    (tmp_path / "x.zip").write_bytes(zipped({"split_dict.pt": b"cos\nsystem\n(S'true'\ntR."}))
    with pytest.raises(ValueError, match=r"split_dict\.pt"):
        pcqm4mv2.label_split(tmp_path / "x.zip")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ({"head": ["idx", "smiles", "gap"]}, r"data\.csv\.gz has no column homolumogap; it has idx, smiles, gap"),
        ({"rows": [(0, "CCO", 5)]}, r"data\.csv\.gz ends after 1 rows, expected row 59"),
        ({"rows": [(k, "CCBr", 5) for k in range(60)]}, "labels are shifted"),
        ({"rows": [(k, m.smiles, "") for k, m in enumerate(molecules(60))]}, r"60 no gap in data\.csv\.gz"),
    ],
)
def test_pcqm4mv2_labels_that_do_not_fit(tmp_path, pcqm, damage, words):
    with pytest.raises(ValueError, match=words):
        made(pcqm4mv2.SOURCE, miniature.pcqm4mv2(**damage), tmp_path)
    assert not [p for p in (tmp_path / "pcqm4mv2").rglob("*") if p.is_file()]


def test_pcqm4mv2_holds_out_twenty_thousand_of_the_whole_set():
    assert pcqm4mv2.held_out(3_378_606) == (20_000, 20_000)


ENTRIES = {"CHEMBL1_conformers": 8, "CHEMBL1_protomer_2": 4, "CHEMBL2_conformers": 9} | {
    f"CHEMBL{k}_conformers": 3 for k in range(10, 110)
}


def test_denali_conformers_protomers_and_complexes_stay_together(tmp_path):
    entries = ENTRIES | {"CHEMBL2_CHEMBL3_complex": 2, "CHEMBL3_x": 2, "water_box": 2}
    report = made(denali.SOURCE, mini_denali(entries), tmp_path)["denali"]
    assert report.packed == report.seen == sum(entries.values())
    packed = load(tmp_path / "denali" / "molecules.h5")
    names = np.repeat(list(entries), list(entries.values()))
    for together in (
        ["CHEMBL1_conformers", "CHEMBL1_protomer_2"],
        ["CHEMBL2_conformers", "CHEMBL2_CHEMBL3_complex", "CHEMBL3_x"],
    ):
        assert len(set(packed.split[np.isin(names, together)])) == 1
    parents = denali.parents(list(entries))
    assert len(set(parents)) == len(entries) - 3
    assert np.bincount(packed.split).min() > 0
    expected = [miniature.energy(packed.z[a:b]) for a, b in zip(packed.offsets, packed.offsets[1:])]
    np.testing.assert_allclose(packed.molecule["energy_eV"] / HARTREE, expected, atol=0.1)
    np.testing.assert_array_equal(packed.molecule["xtb1_energy_eV"], -20 * HARTREE)


def test_denali_geometries_without_a_fitting_label_are_counted(tmp_path):
    def damage(rows):
        rows[5] = (*rows[5][:8], 1, *rows[5][9:])  # another charge
        rows[6] = (*rows[6][:9], "nan", rows[6][10])
        return [rows[0], *rows[:4], *rows[5:]]  # one twice, one missing

    report = made(denali.SOURCE, mini_denali(ENTRIES, rows=damage), tmp_path)["denali"]
    assert report.packed == sum(ENTRIES.values()) - 3
    assert report.reasons == Counter(
        {
            "not in denali_labels.csv": 1,
            "charge differs between geometry and label": 1,
            "energy is not a finite number": 1,
        }
    )


def test_denali_two_labels_for_one_conformer_are_refused(tmp_path):
    with pytest.raises(ValueError, match="1 samples have two labels"):
        made(denali.SOURCE, mini_denali(ENTRIES, rows=lambda rows: [*rows, (*rows[0][:9], -1.0, -1.0)]), tmp_path)


def test_denali_energies_in_another_unit_are_refused(tmp_path):
    in_eV = lambda rows: [(*row[:9], row[9] * HARTREE, row[10]) for row in rows]  # noqa: E731
    with pytest.raises(ValueError, match=r"total energies are 27\.\d times those of the free atoms"):
        made(denali.SOURCE, mini_denali(ENTRIES, rows=in_eV), tmp_path)
    flags = ["test_set", "test_set_plus", "prelim_1", "training_set_plus"]
    other = mini_denali(ENTRIES, head=["", "sample_id", "subset", "mol_id", *flags, "charge", "energy", "xtb1_energy"])
    with pytest.raises(ValueError, match=r"denali_labels\.csv has no column dft_energy"):
        made(denali.SOURCE, other, tmp_path / "b")


LEFT_OUT = [3, 17, 40]


@pytest.fixture
def small_qm9(monkeypatch):
    monkeypatch.setattr(qm9, "ALL", 60)
    monkeypatch.setattr(qm9, "UNCHARACTERISED", 3)


def test_qm9_twelve_targets_without_the_uncharacterised(tmp_path, small_qm9):
    report = made(qm9.SOURCE, miniature.qm9(60, LEFT_OUT), tmp_path)["qm9"]
    assert (report.seen, report.packed, report.failed, report.excluded) == (60, 57, 0, 3)
    packed = load(tmp_path / "qm9" / "molecules.h5")
    assert set(packed.molecule) == set(qm9.TARGETS)
    assert len(qm9.TARGETS) == 12
    with h5py.File(tmp_path / "qm9" / "molecules.h5") as file:
        np.testing.assert_array_equal(file["id"], np.setdiff1d(np.arange(1, 61), LEFT_OUT))
    np.testing.assert_allclose(packed.molecule["gap_eV"], 0.3 * HARTREE)
    np.testing.assert_allclose(packed.molecule["cv_cal_mol_K"], 6.5)
    np.testing.assert_allclose(packed.molecule["h_eV"] - packed.molecule["u0_eV"], 0.011 * HARTREE, rtol=1e-9)
    assert packed.smiles[0] == "CCO"
    assert set(packed.smiles) <= {s for s in miniature.SMILES if "Cl" not in s} | {"NC(C)=O", "CC(N)=O"}
    assert np.bincount(packed.split).tolist() == [45, 5, 7]


@PYG
def test_qm9_free_atoms_are_subtracted_as_pyg_does(tmp_path):
    ethanol = molecule("CCO")
    offsets = np.array([0, 9, 18])
    total = np.array([-4220.5, -4221.5])
    found = qm9.less_atoms(np.tile(ethanol.z, 2), offsets, total, "u0_eV")
    atoms = 2 * -1029.86312267 + -2042.61123593 + 6 * -13.61312172
    np.testing.assert_allclose(found, total - atoms, rtol=1e-12)
    np.testing.assert_array_equal(qm9.less_atoms(np.tile(ethanol.z, 2), offsets, total, "mu_D"), total)


def test_qm9_bad_tables(tmp_path, small_qm9):
    good = miniature.qm9(60, LEFT_OUT)
    with pytest.raises(ValueError, match="lists 2 molecules, expected 3"):
        made(qm9.SOURCE, good | {"uncharacterized.txt": miniature.qm9(60, [3, 17])["uncharacterized.txt"]}, tmp_path)
    with pytest.raises(ValueError, match=r"total energies are 0\.0\d+ times.*hartree"):
        made(qm9.SOURCE, miniature.qm9(60, LEFT_OUT, energies=1 / HARTREE), tmp_path)
    rows = [(f"gdb_{k + 1}", *[1.0] * 15) for k in range(1, 61)]
    shifted = {"gdb9.sdf": miniature.sd_file(molecules(60), [f"gdb_{k}" for k in range(1, 61)])}
    shifted["gdb9.sdf.csv"] = table([*miniature.QM9_HEAD, "cv"], rows)
    with pytest.raises(ValueError, match=r"molecule 0 is gdb_1, but row 0 of gdb9\.sdf\.csv is gdb_2"):
        made(qm9.SOURCE, good | {"qm9.zip": zipped(shifted)}, tmp_path)
    assert not [p for p in (tmp_path / "qm9").rglob("*") if p.is_file()]


@PYG
def test_qm9_against_real_molecules(reference):
    """Energies of the first molecules of the real set, less the free atoms, are those of bound molecules."""
    import ase.db

    rows = list(ase.db.connect(reference("data/schnetpack_ethanol_qm9/qm9_first500_U0.db")).select(limit=500))
    z = np.concatenate([row.numbers for row in rows])
    offsets = np.concatenate([[0], np.cumsum([len(row.numbers) for row in rows])])
    energy = np.concatenate([np.frombuffer(b64decode(row.data["energy_U0"])) for row in rows])  # eV
    check_total_energy(z, offsets, energy, "QM9")
    bound = qm9.less_atoms(z, offsets, energy, "u0_eV") / np.diff(offsets)
    assert -6 < np.percentile(bound, 1) < np.percentile(bound, 99) < -3


def test_xxmd_keeps_the_shipped_split_and_the_order_of_time(tmp_path):
    reports = made(xxmd.SOURCE, miniature.xxmd(), tmp_path)
    assert len(reports) == 16
    assert {"azo-dft", "sti-cas-s2"} <= set(reports)
    packed = load(tmp_path / "xxmd" / "mal-cas-s1" / "molecules.h5")
    assert np.bincount(packed.split).tolist() == [12, 6, 4]
    assert (np.diff(packed.split.astype(int)) >= 0).all()
    np.testing.assert_array_equal(packed.molecule["energy_eV"][:12], -1000.5 - np.arange(12))
    first = miniature.trajectory("O=CO", 1, 20).split(b"\n")[2].split()
    np.testing.assert_array_equal(packed.pos[0], np.array(first[1:4], np.float32))
    np.testing.assert_array_equal(packed.atom["forces_eV_A"][0], np.array(first[4:], np.float32))


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[:-200], "truncated"),
        (lambda text: text.replace(b"energy=-1003.5", b"energy=nan    "), "no finite energy in the comment line"),
        (lambda text: text + miniature.trajectory("CC", 1, 0), "another molecule than the first frame"),
    ],
)
def test_xxmd_bad_frames_are_counted(tmp_path, monkeypatch, damage, reason):
    monkeypatch.setattr(xxmd, "FILES", xxmd.FILES[:1])
    names = [f"azo_{side}_uks.xyz" for side in ("train", "val", "test")]
    texts = dict(zip(names, (miniature.trajectory("CCO", 12, k) for k in range(3))))
    texts[names[0]] = damage(texts[names[0]])
    report = made(xxmd.SOURCE, {"azo_dft.zip": zipped(texts)}, tmp_path)["azo-dft"]
    assert report.reasons == {reason: 1}
    assert report.packed == report.seen - 1


def test_xxmd_a_missing_file_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(xxmd, "FILES", xxmd.FILES[:1])
    texts = {f"azo_{side}_uks.xyz": miniature.trajectory("CCO", 12, 0) for side in ("train", "test")}
    with pytest.raises(ValueError, match=r"azo_dft\.zip holds no file named azo_val_uks\.xyz"):
        made(xxmd.SOURCE, {"azo_dft.zip": zipped(texts)}, tmp_path)


def test_qm7_from_the_archive_of_its_repository(tmp_path, monkeypatch):
    monkeypatch.setattr(qm7, "ALL", 50)
    report = made(qm7.SOURCE, miniature.qm7(50), tmp_path)["qm7"]
    assert report.packed == 50
    packed = load(tmp_path / "qm7" / "molecules.h5")
    np.testing.assert_allclose(packed.molecule["atomization_eV"], -85.5 * KCAL * packed.sizes)


def test_qm7_itself(tmp_path, reference):
    """The real set: unpacked reference geometries put back into the repository's archive."""
    text = gzip.decompress(reference("data/qml_qm7/qm7_7101.extxyz.gz").read_bytes()).decode().splitlines()
    files, at = {}, 0
    while at < len(text):
        count, name = int(text[at]), text[at + 1].split("name=")[1].split()[0]
        lines = [text[at], name, *text[at + 2 : at + 2 + count], ""]
        files[f"qml/tests/qm7/{name}.xyz"] = "\n".join(lines).encode()
        at += count + 2
    files["qml/tests/data/hof_qm7.txt"] = reference("data/qml_qm7/hof_qm7.txt").read_bytes()
    report = made(qm7.SOURCE, {"qml.tar.gz": miniature.tar(files)}, tmp_path)["qm7"]
    assert (report.packed, report.failed) == (7101, 0)
    packed = load(tmp_path / "qm7" / "molecules.h5")
    assert packed.molecule["atomization_eV"][0] == pytest.approx(-417.031 * KCAL)
    counts = np.stack([np.add.reduceat(packed.z == n, packed.offsets[:-1]) for n in (1, 6, 7, 8, 16)], 1)
    energy = packed.molecule["atomization_eV"] / KCAL
    left = energy - counts @ np.linalg.lstsq(counts, energy, rcond=None)[0]
    assert np.abs(left).mean() == pytest.approx(15.1, abs=0.2)  # kcal/mol, the known error of a fit on composition


def test_md17_ethanol(tmp_path):
    report = made(md17.SOURCE, miniature.md17(3000), tmp_path)["md17-ethanol"]
    assert report.packed == 3000
    packed = load(tmp_path / "md17-ethanol" / "molecules.h5")
    assert np.bincount(packed.split).tolist() == [950, 50, 2000]
    assert packed.molecule["energy_eV"].mean() == pytest.approx(-97_000 * KCAL, rel=1e-5)
    with pytest.raises(ValueError, match="kcal/mol"):
        made(md17.SOURCE, miniature.md17(100, factor=1 / KCAL), tmp_path)
    with pytest.raises(ValueError, match="is damaged"):
        made(md17.SOURCE, {"md17_ethanol.npz": miniature.md17(100)["md17_ethanol.npz"][:5000]}, tmp_path)


def test_energies_of_free_atoms_are_about_right():
    known = {1: -0.5, 6: -37.8, 7: -54.6, 8: -75.1, 9: -99.7, 16: -398.1, 17: -460.1, 35: -2574.1}  # hartree
    z = np.array(list(known))
    np.testing.assert_allclose(free_atoms(z) / HARTREE, list(known.values()), rtol=0.08)


def test_the_command_fetches_packs_and_writes_the_card(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(qm7, "ALL", 40)
    (content,) = miniature.qm7(40).values()
    with serving(content) as server:
        source = replace(qm7.SOURCE, files=(File("qml.tar.gz", server.url),))
        for _ in range(2):
            main(["qm7", "--folder", str(tmp_path), "--workers", "0"], {"qm7": source})
        assert len(server.requests) == 1
    assert "40 of 40 molecules packed" in capsys.readouterr().out
    card = json.loads((tmp_path / "qm7" / "card.json").read_text())
    assert card["sizes"]["molecules"] == sum(card["sizes"][side] for side in SPLITS) == 40
    assert card["files"]["qml.tar.gz"]["pinned"] == "on first fetch"
    assert card["units"] == {"pos": "Å", "atomization_eV": "eV", "atomization_dftb3_eV": "eV"}
    assert card["left_out"] == {"seen": 40, "excluded": 0, "failed": 0, "reasons": {}, "first": []}
    assert card["licence"].startswith("MIT")


def test_the_command_lists_the_sets_and_says_what_is_wrong(tmp_path, capsys):
    main(["--folder", str(tmp_path)])
    out = capsys.readouterr().out
    assert "3,378,606 molecules" in out
    assert "GB left" in out
    assert all(name in out for name in public_sets())
    with pytest.raises(SystemExit, match="no set is named qm8"):
        main(["qm8"])
    with pytest.raises(SystemExit, match="--limit is 0"):
        main(["qm9", "--limit", "0"])
    nowhere = replace(qm9.SOURCE, files=(File("qm9.zip", "http://127.0.0.1:9/qm9.zip", md5="0" * 32),))
    (tmp_path / "raw" / "qm9").mkdir(parents=True)
    (tmp_path / "raw" / "qm9" / "qm9.zip").write_bytes(b"PK nonsense")
    with pytest.raises(SystemExit, match=r"qm9\.zip is not the expected file: md5"):
        main(["qm9", "--folder", str(tmp_path)], {"qm9": nowhere})


def test_what_is_known_of_the_files_is_well_formed():
    for source in public_sets().values():
        names = [file.name for file in source.files]
        assert len(set(names)) == len(names)
        for file in source.files:
            assert file.url.startswith("http")
            assert file.md5 is None or len(file.md5) == 32
            assert file.sha256 is None or len(file.sha256) == 64


def test_xyz_of_one_molecule_with_damage_in_the_zip(tmp_path, pcqm):
    content = miniature.pcqm4mv2()
    files = {f"d/{k}.xyz": xyz_file(m.z, m.pos) for k, m in enumerate(molecules(60))}
    files["d/7.xyz"] = b"not a molecule"
    report = made(pcqm4mv2.FROM_XYZ, content | {"pcqm4m-v2_xyz.zip": zipped(files)}, tmp_path)["pcqm4mv2-xyz"]
    assert report.first == ["record 7 (d/7.xyz): no atom count"]
    packed = load(tmp_path / "pcqm4mv2-xyz" / "molecules.h5")
    np.testing.assert_array_equal(packed.molecule["gap_eV"], np.delete(5 + np.arange(60) / 100, 7))
