"""Definitions written by hand reach the search of `ds_ieqa` as a chat model's proposals do."""

import pytest

from editmetrics.judge import open_judge
from editmetrics.plugins.ds_ieqa.fdmpo import Trial, proposal, read_proposal
from editmetrics.plugins.ds_ieqa.prompts import NAMES, START_DEFINITIONS
from tools.proposals import PROPOSALS, WRITTEN, served


@pytest.mark.parametrize("dimension", NAMES)
def test_each_is_proposed_once_and_in_order(dimension):
    pytest.importorskip("openai")
    tried = [START_DEFINITIONS[dimension]]
    with served() as address:
        judge = open_judge(WRITTEN, endpoint=address, cache=False)
        for _ in PROPOSALS[dimension]:
            trials = [Trial(number, one, leads=True, value=0.01 * number) for number, one in enumerate(tried)]
            tried.append(read_proposal(judge.ask(proposal(dimension, trials)).required(), tried))
    assert tuple(tried[1:]) == PROPOSALS[dimension]
