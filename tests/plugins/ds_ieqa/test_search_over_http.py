"""A whole `fit` whose optimisation model refuses, says nothing, talks nonsense, goes down, and comes back."""

import json

import pytest

from editmetrics.plugins.ds_ieqa.fdmpo import SearchUnavailableError
from editmetrics.plugins.ds_ieqa.metric import DSIEQA
from tests.judge.server import Reply, completion, problem, running


@pytest.fixture
def server():
    with running() as server:
        yield server


def test_a_fit_outlives_an_unwilling_optimiser_and_resumes(server, edits, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def fit():
        return DSIEQA(backbone="toy-internvl").to("cpu").fit(
            edits, targets={"visual_quality": "visual_quality"}, output_dir=tmp_path / "run", preset="toy", steps=1,
            batch_size=4, optimiser="judge", optimiser_endpoint=server.url, trials=6, pairs=4, definition_margin=0,
        )  # fmt: skip

    unwilling = [
        Reply(completion(None, refusal="I cannot help with that.")),
        Reply(completion("")),
        Reply(completion("Rate it well.")),
        Reply(completion(None, finish="content_filter")),
    ]
    server.replies = [*unwilling, Reply(problem("the model is gone"), status=404)]
    with pytest.raises(SearchUnavailableError, match=r"trial 5 of 6 .* run the same command again"):
        fit()
    server.replies = [Reply(completion("[[Rate how sharp it is.]]")), Reply(completion("[[Rate how good it is.]]"))]
    fit()
    lines = (tmp_path / "run/definitions/visual_quality.jsonl").read_text().splitlines()[1:]
    refused = [json.loads(line)["refused"] for line in lines]
    assert [bool(reason) for reason in refused] == [False, True, True, True, True, False, False]
    kinds = ("refused", "unparseable", "brackets", "refused")
    assert all(kind in reason for kind, reason in zip(kinds, refused[1:5], strict=True))
    described = json.loads((tmp_path / "run/metric.json").read_text())
    best = max((json.loads(line) for line in lines), key=lambda trial: trial["value"] or 0)
    assert described["prompts"]["visual_quality"] == best["definition"]
