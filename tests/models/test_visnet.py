"""ViSNet obeys the laws of physics, in its smooth and its published form."""

import sys
from pathlib import Path

import pytest

from lib.models import EncoderConfig


sys.path.append(str(Path(__file__).parent))
from physics import Physics


class TestSmooth(Physics):
    config = EncoderConfig("visnet", layers=3, hidden=16, rbf=16, cutoff=4.0, heads=4)


class TestFaithful(Physics):
    config = EncoderConfig("visnet", layers=3, hidden=16, rbf=16, cutoff=4.0, heads=4, smooth=False)


class TestNearest(Physics):
    config = TestSmooth.config
    neighbors = "nearest-6"

    def test_features_are_continuous_at_the_cutoff_when_smooth(self, encoder):
        pytest.skip("a truncated neighbour list jumps wherever the order of distances changes")
