import math

import pytest
import torch

from lib.models.radial import ExpNormalBasis


@pytest.mark.parametrize(("size", "cutoff"), [(64, 7.5), (32, 5.0), (16, 5.0)])
def test_no_value_is_so_small_that_products_become_subnormal(size, cutoff):
    """Of the plain formula hundreds are at every width; what is left out is below 1e-18."""
    basis = ExpNormalBasis(size, cutoff)
    distance = torch.linspace(0, cutoff, 3000)
    squeezed = torch.exp(-5 / cutoff * distance.double())[:, None]
    plain = torch.exp(-basis.betas * (squeezed - basis.means) ** 2)
    plain = plain * (0.5 * torch.cos(distance.double() * math.pi / cutoff) + 0.5)[:, None]
    values = basis(distance)
    least = math.sqrt(torch.finfo(torch.float32).tiny)
    assert ((values == 0) | (values > least)).all()
    assert ((plain > 0) & (plain < least)).any()
    torch.testing.assert_close(values.double(), plain, rtol=0, atol=2e-6)
