import numpy as np
import pytest
from support import peptide

from lib.data.anchors import anchors


def names(system):
    return [system.topology.atom(system.selection[i]).name for i in anchors(system)]


@pytest.mark.parametrize("atoms", ["all", "element != H"])
def test_an_amino_acid_stands_at_its_ca(atoms):
    system = peptide("pentapeptide", atoms)
    assert names(system) == ["CA"] * 5
    assert [system.topology.atom(system.selection[i]).residue.index for i in anchors(system)] == list(range(5))


def test_a_cap_stands_at_its_methyl_whatever_it_is_called():
    assert names(peptide("ala2")) == ["CH3", "CA", "C"]


def test_selected_residues_are_counted_from_zero():
    system = peptide("pentapeptide", "resid 2 to 3")
    assert names(system) == ["CA", "CA"]
    assert np.all(system.residue[anchors(system)] == [0, 1])


def test_a_residue_without_either_is_refused():
    with pytest.raises(ValueError, match="TRP1 of pentapeptide has neither CA nor methyl carbon"):
        anchors(peptide("pentapeptide", "name != CA"))
