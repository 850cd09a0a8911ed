"""The metric of this package through the conformance kit: one test for each check."""

import pytest

from editmetrics.testing import conformance_cases


@pytest.mark.parametrize("case", conformance_cases(["gradient_error"]), ids=str)
def test_conformance(case):
    case()
