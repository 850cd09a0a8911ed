"""Several weights of a learned metric: their mean, its spread, and what is refused; on a metric without a backbone."""

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from editmetrics.bases.assessor import AssessorMetric
from editmetrics.bases.ensemble import averaged
from editmetrics.mllm.checkpoint import CheckpointError
from editmetrics.mllm.checkpoint_writing import CheckpointContents, write_checkpoint
from editmetrics.mllm.folds import fold_checkpoints
from editmetrics.mllm.heads import RegressionHead
from editmetrics.sample import Dimension, EditMetricsError, Sample, SampleError, Score

PICTURE = np.zeros((8, 8, 3), np.uint8)


class Constants(AssessorMetric):
    """Gives the numbers in its checkpoint's settings.

    Options:
        weights: Folders.
    """

    name, version = "constants", 1
    needs = frozenset({"edited"})
    dimensions = (Dimension("quality", low=0, high=100, primary=True), Dimension("alignment", low=0, high=100))
    BACKBONE, IMAGE_TOKENS = "none", 16
    paper, licence = "none", "Apache-2.0"

    @classmethod
    def presets(cls):
        return {}

    def train_stages(self, job):
        raise NotImplementedError

    def trained_backbone(self, checkpoint, **loading):
        return SimpleNamespace(device=SimpleNamespace(type="cpu"), identity=dict, exclusive=None)

    def _with_backbone(self, checkpoint):
        return self.assessor(self.trained_backbone(checkpoint), checkpoint, {})

    def assessor(self, backbone, checkpoint, adapters):
        return SimpleNamespace(backbone=backbone, settings=checkpoint.settings)

    def prepare(self, sample):
        if sample.id == self.assessors[0].settings.get("refused"):
            raise SampleError("this one cannot be read")
        return sample.id

    def batch_key(self, prepared):
        return len(prepared)

    def score_batch(self, batch):
        settings = self.assessors[0].settings
        scores = []
        for sample in batch:
            values = {name: settings[name] for name in (d.name for d in self.dimensions)}
            if sample == settings.get("vague"):
                scores.append(Score({"quality": 1.0}, "unparseable", "alignment: no digit"))
            else:
                details = {"mass": settings["quality"], "region": "given"}
                scores.append(Score(values, uncertainty=settings.get("spread"), details=details))
        return scores


def checkpoint(folder, *, scale=(0, 100), dimensions=("quality", "alignment"), **settings):
    head = RegressionHead(1)
    contents = CheckpointContents(scale, dimensions=dimensions, heads={"head": head}, settings=settings)
    write_checkpoint(folder, Constants, contents)
    return str(folder)


def samples(*names):
    return [Sample(name, edited=PICTURE) for name in names]


def test_the_mean_of_three_members_and_the_spread_of_their_mixture(tmp_path):
    spreads = [{"quality": 3.0, "alignment": 4.0}, {"quality": 0.0, "alignment": 2.0}, {"quality": 6.0}]
    names = [checkpoint(tmp_path / str(k), quality=10.0 * k, alignment=50.0, spread=spread)
             for k, spread in enumerate(spreads)]  # fmt: skip
    metric = Constants(weights=names)
    one, two = metric.score(samples("a", "bb"))
    assert dict(one) == {"quality": 10.0, "alignment": 50.0} == dict(two)
    random = np.random.default_rng(0)  # the mixture's deviation, by drawing from it
    drawn = np.concatenate([random.normal(10 * k, s["quality"], 200_000) for k, s in enumerate(spreads)])
    assert one.uncertainty["quality"] == pytest.approx(drawn.std(), rel=0.01)
    assert one.uncertainty["alignment"] == pytest.approx(((16 + 4 + 0) / 3) ** 0.5)
    assert [member["weights"] for member in one.details["members"]] == names
    assert [member["values"]["quality"] for member in one.details["members"]] == [0, 10, 20]
    assert (one.details["region"], "mass" in one.details) == ("given", False)  # they differ in the mass
    alone = Constants(weights=names[1])
    assert alone.members == []
    assert alone.score(samples("a"))[0].details == {"mass": 10.0, "region": "given"}


def test_what_one_member_does_not_score_has_no_mean_of_the_others(tmp_path):
    sure = checkpoint(tmp_path / "sure", quality=10.0, alignment=20.0)
    vague = checkpoint(tmp_path / "vague", quality=10.0, alignment=20.0, vague="b")
    strict = checkpoint(tmp_path / "strict", quality=10.0, alignment=20.0, refused="c")
    a, b = Constants(weights=f"{sure};{vague}").score(samples("a", "b"))
    assert a.ok
    assert (b.status, dict(b)) == ("unparseable", {"quality": 5.5})
    assert b.reason == f"1 of 2 members gave no score: {vague}: alignment: no digit"
    b, c = Constants(weights=f"{sure};{strict}").score(samples("b", "c"))
    assert (b.ok, c.status, c.reason) == (True, "failed", "this one cannot be read")


def test_other_scales_and_no_shared_dimension_are_refused(tmp_path):
    names = [
        checkpoint(tmp_path / "a", quality=1.0),
        checkpoint(tmp_path / "b", scale=(1, 5), quality=1.0),
        checkpoint(tmp_path / "c", dimensions=["alignment"], alignment=1.0),
        checkpoint(tmp_path / "d", dimensions=["quality"], quality=1.0),
    ]
    with pytest.raises(EditMetricsError, match="different scales \\(0 to 100 and 1 to 5\\)"):
        _ = Constants(weights=names[:2]).dimensions
    with pytest.raises(EditMetricsError, match="no dimension in common"):
        _ = Constants(weights=names[2:]).dimensions
    shared = Constants(weights=[names[0], names[2]]).dimensions
    assert [(dimension.name, dimension.primary) for dimension in shared] == [("alignment", True)]


def test_the_identity_holds_every_member(tmp_path):
    names = [checkpoint(tmp_path / name, quality=float(k)) for k, name in enumerate("ab")]
    both, other = Constants(weights=names), Constants(weights=[names[0], names[0]])
    assert both.identity()["weights"] == [one.digest for one in both.trained]
    assert [one["weights"] for one in both.identity()["members"]] == both.identity()["weights"]
    assert both.identity() != other.identity()
    assert str(tmp_path) not in json.dumps(both.identity())


def test_the_folder_of_a_cross_validation_stands_for_its_folds(tmp_path):
    run = tmp_path / "run"
    for fold in (1, 2, 10):
        checkpoint(run / f"fold_{fold}", quality=float(fold), alignment=0.0)
    assert fold_checkpoints(str(run / "fold_1")) == [str(run / "fold_1")]
    with pytest.raises(CheckpointError, match="has not been finished"):
        _ = Constants(weights=str(run)).dimensions
    (run / "folds.csv").write_text("fold,measure\n1,srcc\n2,srcc\n3,srcc\n")
    with pytest.raises(CheckpointError, match="3 folds without fold_3"):
        fold_checkpoints(str(run))
    shutil.move(run / "fold_10", run / "fold_3")
    (score,) = Constants(weights=str(run)).score(samples("a"))
    assert score["quality"] == pytest.approx(13 / 3)
    assert Constants(weights=str(run)).identity()["options"]["weights"] == "a folder"


def test_details_that_cannot_be_compared_do_no_harm():
    scores = [
        Score({"q": 1.0}, details={"box": np.array([1, 2])}),
        Score({"q": 2.0}, details={"box": [1, 2], "more": 1}),
    ]
    assert list(averaged(scores, ["a", "b"]).details["box"]) == [1, 2]
    assert "more" not in {**averaged(scores, ["a", "b"]).details, "members": None}
