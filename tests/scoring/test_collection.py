"""A collection over batches gives what one run of `score` gives, also from several processes."""

import copy
import json
import logging
import math

import numpy as np
import pytest

from editmetrics import Collection, Sample, score
from editmetrics.batches import BatchError
from editmetrics.sample import NotScoredError, UnavailableError
from editmetrics.scoring import PlanError
from tests.mllm.processes import launched

from .toys import Brightness, Captioned

RNG = np.random.default_rng(9)
SOURCE = RNG.integers(0, 256, (6, 16, 16, 3), np.uint8)
EDITED = RNG.integers(0, 256, (6, 16, 16, 3), np.uint8)
EDITED[4] = SOURCE[4]  # PSNR is infinite
PROMPTS = ["a dog", "refuse", "half", None, "a cat", "sky"]
METRICS = ["psnr", "mse"]


def samples():
    return [Sample(f"s{n}", edited=EDITED[n], source=SOURCE[n], prompt=PROMPTS[n]) for n in range(6)]


def metrics():
    return [*METRICS, Brightness(), Captioned()]


def batches(collection):
    """The samples in three batches of three kinds: arrays, samples, and rows."""
    ids = [sample.id for sample in samples()]
    collection.update(SOURCE[:3], EDITED[:3], prompt=PROMPTS[:3], id=ids[:3])
    collection.update(samples()[3:5])
    collection.update([{"id": ids[5], "edited": EDITED[5], "source": SOURCE[5], "prompt": PROMPTS[5]}])


def test_batches_have_the_scores_and_means_of_one_run():
    collection = Collection(metrics())
    batches(collection)
    expected = score(samples(), metrics())
    for column in expected.columns:
        assert collection.results[column.label] == expected[column.label]
    assert collection.results.table().equals(expected.table())
    assert repr(collection.compute()) == repr(expected.means())
    means = collection.compute()
    error = ((SOURCE.astype(float) - EDITED) ** 2).mean((1, 2, 3)) / 255**2
    assert means["mse"] == pytest.approx(error.mean(), rel=1e-5)
    assert means["psnr"] == pytest.approx(-10 * np.log10(error[error > 0]).mean(), rel=1e-5)
    assert (means["psnr"].n, means["psnr"].left_out) == (5, {"infinite": 1})
    assert means["captioned.length"] == pytest.approx(np.mean([5, 4, 5, 3]))
    assert means["captioned.length"].left_out == {"refused": 1, "skipped": 1}
    assert means["captioned.vowels"].n == 3
    assert all(sample.edited is None for sample in collection.results.samples)


def test_a_batch_answers_for_itself():
    collection = Collection(METRICS)
    first = collection.update(SOURCE[:2], EDITED[:2])
    assert [float(one) for one in first["mse"]] == [float(one) for one in score(samples()[:2], "mse")["mse"]]
    means = collection(SOURCE[2:3], EDITED[2:3])
    assert means["mse"] == collection.results["mse"][2]
    assert [sample.id for sample in collection.results.samples] == ["0", "1", "2"]
    assert (len(collection), repr(collection)) == (3, "Collection(psnr, mse; 3 samples)")
    collection.reset()
    assert (len(collection), bool(collection)) == (0, True)
    assert dict(collection.compute()) == {}


def test_means_are_floats_everywhere(caplog):
    torch = pytest.importorskip("torch")
    means = score(samples(), metrics()).means()
    assert json.loads(json.dumps(means)) == {name: float(mean) for name, mean in means.items()}
    assert torch.tensor(means["mse"]).item() == pytest.approx(float(means["mse"]))
    assert f"{means['psnr']:.1f} {means['psnr']}" == f"{float(means['psnr']):.1f} {float(means['psnr'])!r}"
    twin = copy.deepcopy(means)
    assert (twin, twin["psnr"].left_out, repr(twin)) == (means, means["psnr"].left_out, repr(means))
    none = Collection("psnr")
    none.update(SOURCE[4:5], EDITED[4:5])
    with caplog.at_level(logging.WARNING):
        means = none.compute()
    assert "the mean of psnr is over 0 of 1 sample: 1 infinite" in caplog.text
    assert "psnr" not in means
    assert repr(means) == "Means(psnr=no number (n=0; 1 infinite))"
    with pytest.raises(NotScoredError, match="psnr has no mean: 1 infinite"):
        means["psnr"]
    with pytest.raises(KeyError, match="'ssim'; expected one of psnr"):
        means["ssim"]


def test_a_batch_that_is_refused_leaves_nothing():
    collection = Collection(["psnr"])
    with pytest.raises(PlanError, match=r"psnr requires source: update\(source, edited\)"):
        collection.update(EDITED)
    with pytest.raises(PlanError, match=r"captioned requires prompt: update\(edited, prompt=...\)"):
        Collection(Captioned()).update(EDITED)
    for error, call in [
        (PlanError, lambda: collection.update(SOURCE[:2], EDITED[:2], id=["a", "a"])),
        (BatchError, lambda: collection.update(SOURCE[:2], EDITED[:3])),
        (TypeError, lambda: collection.update(samples(), prompt="x")),
    ]:
        with pytest.raises(error):
            call()
        assert len(collection) == 0
    collection.update(SOURCE[:2], EDITED[:2], id=["a", "b"])
    with pytest.raises(PlanError, match="'b' was scored before"):
        collection.update(SOURCE[2:3], EDITED[2:3], id=["b"])
    later = collection.update(edited=EDITED[2:4], id=["c", "d"])
    assert [one.status for one in later["psnr"]] == ["skipped", "skipped"]
    assert len(collection) == 4


def test_states_travel_as_json():
    whole, half, other = Collection(metrics()), Collection(metrics()), Collection(metrics())
    batches(whole)
    half.update(samples()[:3])
    other.update(samples()[2:])  # one twice
    half.merge_state(json.loads(json.dumps(other.state_dict())))
    assert half.results.table().equals(whole.results.table())
    assert half.results["captioned"] == whole.results["captioned"]
    other.load_state_dict(half.state_dict())
    assert repr(other.compute()) == repr(whole.compute())
    with pytest.raises(PlanError, match="was scored before"):
        other.update(samples()[:1])
    with pytest.raises(PlanError, match="collections of different metrics: psnr, and mse"):
        Collection("psnr").merge_state(Collection("mse").state_dict())
    newer = Collection("mse").state_dict() | {"identities": {"mse": "0123456789abcdef"}}
    with pytest.raises(PlanError, match="mse of two collections would give different numbers"):
        Collection("mse").load_state_dict(newer)
    numbered, more = Collection("mse"), Collection("mse")
    numbered.update(SOURCE[:2], EDITED[:2])
    more.update(SOURCE[2:5], EDITED[2:5])
    numbered.merge_state(more)
    assert [sample.id for sample in numbered.results.samples] == ["0", "1", "2", "3", "4"]
    assert numbered.results["mse"] == score(samples()[:5], "mse")["mse"]


class Endpoint(Brightness):
    """Down until `up`; counts how often it is asked."""

    name, up, asked = "endpoint", False, 0

    def score_batch(self, batch):
        type(self).asked += 1
        if not self.up:
            raise UnavailableError("the endpoint is down")
        return super().score_batch(batch)


def test_what_a_machine_cannot_compute_stops_until_reset(caplog):
    metric = Endpoint()
    collection = Collection([metric, "mse"])
    for index in range(5):
        collection.update(SOURCE[index : index + 1], EDITED[index : index + 1])
    assert (Endpoint.asked, collection.compute()["mse"].n) == (3, 5)
    assert collection.compute().summaries[0].unscored == {"unavailable": 5}
    assert "the mean of endpoint is over 0 of 5 samples: 5 unavailable; 0: " in caplog.text
    assert "the endpoint is down" in caplog.text
    collection.reset()
    metric.up = True
    assert collection(SOURCE[:1], EDITED[:1])["endpoint"] == pytest.approx(EDITED[0].mean())


SCRIPT = """
import json, sys
import torch
from torch import distributed
from torch.utils.data import DataLoader, DistributedSampler
from editmetrics import Collection
from editmetrics.scoring import PlanError
from tests.scoring import test_collection as t

distributed.init_process_group("gloo")
rank = distributed.get_rank()
data = [{"id": f"s{n}", "source": t.SOURCE[n], "edited": t.EDITED[n]} for n in range(5)]
ids, numbered, empty = Collection(t.METRICS), Collection(t.METRICS), Collection("mse")
for batch in DataLoader(data, batch_size=2, sampler=DistributedSampler(data, shuffle=False)):
    ids.update(batch["source"].numpy(), batch["edited"].numpy(), id=batch["id"])
    numbered.update(batch["source"].permute(0, 3, 1, 2), batch["edited"].permute(0, 3, 1, 2))
if rank == 1:
    empty.update(t.SOURCE[:1], t.EDITED[:1])
local = Collection("mse")
local.update(t.SOURCE[rank : rank + 1], t.EDITED[:1], id=["0"])
try:
    local.compute()
    clash = ""
except PlanError as error:
    clash = str(error)
answer = {
    "own": len(ids), "table": ids.gathered().table().to_dicts(), "means": repr(ids.compute()), "clash": clash,
    "numbers": [sample.id for sample in numbered.gathered().samples], "empty": repr(empty.compute()),
    "scores": [float(one) for one in numbered.gathered()["mse"]],
}
with open(f"{rank}.json", "w") as file:
    json.dump(answer, file)
distributed.destroy_process_group()
"""


def test_two_processes_agree_with_one(tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    _, err = launched([str(tmp_path / "script.py")], tmp_path)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert {**first, "own": 0} == {**second, "own": 0}
    assert (first["own"], second["own"]) == (3, 3)  # the sampler repeats one of five
    expected = score([Sample(s.id, edited=s.edited, source=s.source) for s in samples()[:5]], METRICS)
    for row, known in zip(first["table"], expected.table().to_dicts(), strict=True):
        assert row["id"] == known["id"]
        assert row["mse"] == pytest.approx(known["mse"], rel=1e-6)
        assert row["psnr"] == (pytest.approx(known["psnr"], rel=1e-6) if math.isfinite(known["psnr"]) else math.inf)
    assert first["means"] == repr(expected.means())
    assert first["numbers"] == ["0", "1", "2", "3", "4", "5"]
    assert first["scores"] == pytest.approx([float(one) for one in [*expected["mse"], expected["mse"][0]]], rel=1e-6)
    assert first["empty"].endswith("(n=1))")
    assert "'0' stands for two samples of different processes" in first["clash"]
    assert "1 sample that several processes scored count once" in err


def test_of_a_repeated_sample_the_first_edit_counts_and_another_prompt_is_another_sample():
    first, second = Collection("mse"), Collection("mse")
    first.update(SOURCE[:1], EDITED[:1], id=["x"], prompt=["a dog"])
    second.update(SOURCE[:1], EDITED[1:2], id=["x"], prompt=["a dog"])
    own = float(first.results["mse"][0])
    first.merge_state(second)
    assert [float(one) for one in first.results["mse"]] == [own] != [float(second.results["mse"][0])]
    other = Collection("mse")
    other.update(SOURCE[:1], EDITED[:1], id=["x"], prompt=["a cat"])
    with pytest.raises(PlanError, match="'x' stands for two samples"):
        first.merge_state(other)
