"""Windows against an encoding of one window at a time; the store; the controls."""

from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from lib.data.domains import ATOMS
from lib.folds import windows as module
from lib.folds.controls import atom_counts, permuted
from lib.folds.windows import Windows, encode, tokens
from lib.models import EncoderConfig, random_encoder


@pytest.fixture(scope="module")
def encoder():
    return random_encoder(EncoderConfig(layers=2, hidden=16, rbf=8, heads=2, cutoff=5.0), 0)


@pytest.mark.parametrize("sums", ["window", "centre"])
def test_a_token_is_the_sum_over_its_own_graph(domains, encoder, sums):
    """By hand: cut the residues out, encode them alone, add up."""
    chosen = np.array([0, 1, 17, 34, 35, 105, 119])
    found = encode(encoder, domains, Windows(2, sums), chosen)
    residue = domains.residue
    for row, r in zip(found, chosen):
        own = domains.domain[r]
        near = [i for i in range(r - 2, r + 3) if 0 <= i < len(domains.kind) and domains.domain[i] == own]
        atoms = np.isin(residue, near)
        z, pos = torch.from_numpy(domains.z[atoms].astype(np.int64)), torch.from_numpy(domains.pos[atoms])
        with torch.no_grad():
            scalars, vectors = encoder(z, pos, torch.zeros(len(z), dtype=torch.long))
        keep = torch.from_numpy(residue[atoms] == r) if sums == "centre" else torch.ones(len(z), dtype=torch.bool)
        expected = torch.cat([scalars[keep].sum(0), vectors[keep].sum(0).norm(dim=0)])
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-4)


def test_windows_stop_at_a_gap(domains):
    segment = domains.segment.copy()
    segment[20:] += 1
    first, last = Windows(3).span(replace(domains, segment=segment))
    assert (first[18], last[18]) == (15, 20)
    assert (first[20], last[20]) == (20, 24)
    assert (first[34], last[34]) == (31, 35)


def test_tokens_do_not_change_when_the_domain_turns(domains, encoder):
    turned = replace(domains, pos=np.ascontiguousarray(domains.pos[:, [1, 2, 0]]) + np.float32(5))
    chosen = np.arange(30)
    one, two = (encode(encoder, d, Windows(1), chosen) for d in (domains, turned))
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)


def test_a_killed_run_goes_on_where_it_stopped(domains, encoder, tmp_path, monkeypatch):
    whole = tokens(encoder, domains, Windows(1), tmp_path / "whole")
    assert whole.dtype == np.float16
    assert whole.shape == (120, 32)
    monkeypatch.setattr(module, "BLOCK", 50)
    calls, real = [], module.encode

    def dying(*arguments):
        calls.append(arguments[-1])
        if len(calls) == 2:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(module, "encode", dying)
    with pytest.raises(KeyboardInterrupt):
        tokens(encoder, domains, Windows(1), tmp_path / "killed")
    (partial,) = (tmp_path / "killed").iterdir()
    with h5py.File(partial) as file:
        assert file.attrs["done"] == 50
    np.testing.assert_allclose(tokens(encoder, domains, Windows(1), tmp_path / "killed"), whole, rtol=2e-3, atol=1e-3)
    assert [c[0] for c in calls[2:]] == [50, 100], "the first block is not computed again"


def test_the_store_knows_its_settings(domains, encoder):
    other = random_encoder(encoder.config, 1)
    moved = replace(domains, pos=domains.pos + np.float32(0.1))
    cases = [(encoder, domains, Windows(1)), (other, domains, Windows(1)), (encoder, moved, Windows(1))]
    cases += [(encoder, domains, Windows(2)), (encoder, domains, Windows(1, "centre"))]
    assert len({module.key(*case) for case in cases}) == len(cases)


class TestControls:
    def test_permuted_tokens_are_the_same_values_elsewhere(self):
        values = np.arange(60.0).reshape(30, 2)
        dealt = permuted(values, 0)
        np.testing.assert_array_equal(np.sort(dealt, 0), values)
        assert (dealt == values).all(1).sum() < 5
        np.testing.assert_array_equal(dealt, permuted(values, 0))

    def test_counts_count(self, domains):
        found = atom_counts(domains, Windows(1), 128)
        assert (found.sum(1) == 5).all()
        near = np.isin(domains.residue, [9, 10, 11])
        starts, sizes = np.cumsum([0, 48, 36, 18, 18]), (48, 36, 18, 18, 8)
        for number, start, size in zip((1, 6, 7, 8, 16), starts, sizes):
            expected = min(int((domains.z[near] == number).sum()), size - 1)
            assert found[10, start : start + size].argmax() == expected


class TestBadInput:
    def test_sentences(self, domains, encoder, tmp_path):
        with pytest.raises(ValueError, match="at least 0"):
            Windows(-1)
        with pytest.raises(ValueError, match="not one of"):
            Windows(1, "all")
        with pytest.raises(ValueError, match="at least 16"):
            atom_counts(domains, Windows(1), 8)
        rows = np.flatnonzero(domains.atom == ATOMS.index("CA"))
        trace = replace(
            domains,
            atoms=np.arange(len(domains.kind) + 1),
            **{k: getattr(domains, k)[rows] for k in ("z", "atom", "pos")},
        )
        with pytest.raises(ValueError, match="C-alpha"):
            tokens(encoder, trace, Windows(1), tmp_path)
        assert list(tmp_path.iterdir()) == []
