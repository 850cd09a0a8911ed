"""The made-up copies of data sets, and the command line in this process."""

from tests.benchmarks.conftest import copies, copy_of  # noqa: F401
from tests.cli.conftest import run  # noqa: F401
