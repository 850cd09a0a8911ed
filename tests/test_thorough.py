"""The list of tests that the gate alone runs keeps up with the tests."""

import pytest

from tests.conftest import THOROUGH
from tests.test_layout import ROOT


@pytest.mark.parametrize("name", sorted(THOROUGH))
def test_a_test_that_is_left_out_exists(name):
    file, _, function = name.partition("::")
    begins = f"def {function.rpartition('::')[2]}(" if function else "def test_"
    assert begins in (ROOT / file).read_text(encoding="utf-8"), f"remove {name} from tests/thorough.txt"
