import pytest

from . import toys


@pytest.fixture(autouse=True)
def _fresh_counters():
    toys.Brightness.batches.clear()
    toys.InlineBrightness.batches.clear()
    toys.Captioned.calls = 0
