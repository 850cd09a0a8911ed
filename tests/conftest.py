"""Tests that take seconds, in `thorough.txt`: `pytest` alone leaves them out, `pytest -m thorough` runs them.

A file stands there without a test's name where its tests share a training, or are many. The gate does both.
`pytest PATH` runs all tests of the path.
"""

import logging
import os
from pathlib import Path

import pytest

# Before a worker of xdist imports numpy or torch: threads of two workers on two cores wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

THOROUGH = frozenset(Path(__file__).with_name("thorough.txt").read_text(encoding="utf-8").split())


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node):
    node.workerinput["whole"] = is_whole(node.config)


def is_whole(config):
    """Whether all tests run, and not those of a path; a worker of xdist is told."""
    if hasattr(config, "workerinput"):
        return config.workerinput["whole"]
    return config.args_source is pytest.Config.ArgsSource.TESTPATHS


def pytest_collection_modifyitems(config, items):
    for item in items if is_whole(config) else ():
        if THOROUGH & {item.nodeid.partition("[")[0], item.nodeid.partition("::")[0]}:
            item.add_marker(pytest.mark.thorough)


@pytest.fixture(autouse=True)
def _level_of_the_log():
    """Commands choose how much is logged, for their process; the next test's is as it was."""
    logger = logging.getLogger("editmetrics")
    before = logger.level
    yield
    logger.setLevel(before)
