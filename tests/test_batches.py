"""Batches of images and texts, and calls of metrics with them: each score is that of the sample alone."""

import numpy as np
import pytest

from editmetrics import Sample, create_metric
from editmetrics.batches import BatchError, samples_of_batch

from .scoring.toys import Captioned

torch = pytest.importorskip("torch")

COUNT = 3
RNG = np.random.default_rng(4)
SOURCE = RNG.integers(0, 256, (COUNT, 24, 20, 3), np.uint8)
EDITED = RNG.integers(0, 256, (COUNT, 24, 20, 3), np.uint8)
MASKS = RNG.random((COUNT, 24, 20)) < 0.5


def psnr(source, edited, mask=None):
    """The formula, in float64."""
    error = (np.asarray(source, float) - np.asarray(edited, float)) ** 2
    return 10 * np.log10(255**2 / (error if mask is None else error[mask]).mean())


def tensors(images):
    return torch.from_numpy(images).permute(0, 3, 1, 2)


@pytest.mark.parametrize(
    "form",
    [
        lambda images: images,
        lambda images: images.transpose(0, 3, 1, 2),
        tensors,
        lambda images: tensors(images).float() / 255,
        list,
    ],
    ids=["array", "array, colours first", "tensor", "floats", "list"],
)
def test_a_batch_has_the_scores_of_its_samples(form):
    scores = create_metric("psnr")(form(SOURCE), form(EDITED))
    assert [float(score) for score in scores] == pytest.approx(
        [psnr(*pair) for pair in zip(SOURCE, EDITED, strict=True)], rel=1e-5
    )
    assert [float(create_metric("psnr")(form(SOURCE[:1]), form(EDITED[:1]))[0])] == pytest.approx(
        [float(scores[0])], rel=1e-6
    )


@pytest.mark.parametrize(
    "form",
    [
        lambda masks: masks,
        torch.from_numpy,
        lambda masks: torch.from_numpy(masks)[:, None],
        lambda masks: torch.from_numpy(masks)[:, None].float(),
        lambda masks: masks[..., None],
        lambda masks: masks[:, None],
        list,
    ],
    ids=["(N, H, W)", "tensor (N, H, W)", "(N, 1, H, W)", "floats", "(N, H, W, 1)", "array (N, 1, H, W)", "list"],
)
def test_masks_of_every_form(form):
    scores = create_metric("psnr:region=inside")(tensors(SOURCE), tensors(EDITED), mask=form(MASKS))
    expected = [psnr(*three) for three in zip(SOURCE, EDITED, MASKS, strict=True)]
    assert [float(score) for score in scores] == pytest.approx(expected, rel=1e-5)


def test_one_image_or_text_is_for_all():
    metric = create_metric("psnr:region=inside")
    scores = metric(SOURCE[0], EDITED, mask=MASKS[1])
    assert [float(score) for score in scores] == pytest.approx(
        [psnr(SOURCE[0], edited, MASKS[1]) for edited in EDITED], rel=1e-5
    )
    (first, second) = Captioned()(EDITED[:2], prompt=["a dog", "refuse"])
    assert (first["length"], second.status) == (5, "refused")
    assert [score["length"] for score in Captioned()(EDITED, prompt="cat")] == [3, 3, 3]


def test_a_bad_image_costs_its_own_score():
    edited = tensors(EDITED).float() / 255
    edited[1, 0, 0, 0] = 1.02
    scores = create_metric("psnr")(tensors(SOURCE), edited)
    assert [score.status for score in scores] == ["ok", "failed", "ok"]
    assert "1.02" in scores[1].reason
    assert create_metric("psnr")(SOURCE[:0], EDITED[:0]) == []


def test_samples_and_their_ids():
    numbered = samples_of_batch({"edited": EDITED, "meta": {"system": "mine"}}, first=7)
    assert [(sample.id, sample.meta["system"]) for sample in numbered] == [("7", "mine"), ("8", "mine"), ("9", "mine")]
    named = samples_of_batch({"edited": tensors(EDITED), "id": torch.tensor([5, 3, 4])})
    assert [sample.id for sample in named] == ["5", "3", "4"]
    asked = samples_of_batch({"edited": EDITED, "questions": ["red?", "round?"]})
    assert asked[2].questions == ("red?", "round?")
    each = samples_of_batch({"edited": EDITED, "questions": [["a?"], ["b?"], []]})
    assert [sample.questions for sample in each] == [("a?",), ("b?",), ()]
    listed = create_metric("mse")([Sample("a", edited=EDITED[0], source=SOURCE[0])])
    assert float(listed[0]) == create_metric("mse")(SOURCE[0], EDITED[0])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"edited": EDITED, "source": SOURCE[:2]}, "edited has 3 items, source has 2 items"),
        ({"edited": EDITED, "source": SOURCE[:1]}, "source has 1 item"),
        ({"edited": EDITED, "prompt": ["one"]}, "prompt has 1 item"),
        ({"edited": EDITED, "id": "cat"}, "a list of ids"),
    ],
)
def test_lengths_that_differ(fields, message):
    with pytest.raises(BatchError, match=message):
        samples_of_batch(fields)
