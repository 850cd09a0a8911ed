"""Label measures against torchmetrics and closed forms."""

import numpy as np
import pytest
import torch
from scipy import stats
from torchmetrics.functional import classification

from editmetrics.agreement import AgreementError, UndefinedError, auc, best_threshold
from editmetrics.agreement import labels as measures

TORCHMETRICS = {
    "accuracy": classification.binary_accuracy,
    "precision": classification.binary_precision,
    "recall": classification.binary_recall,
    "specificity": classification.binary_specificity,
    "f1": classification.binary_f1_score,
    "balanced_accuracy": lambda p, t: classification.multiclass_accuracy(p, t, num_classes=2, average="macro"),
}


def drawn(n=200, positive=0.2, seed=0):
    rng = np.random.default_rng(seed)
    labels = (rng.uniform(size=n) < positive).astype(float)
    scores = np.round(labels + rng.normal(size=n), 1)  # with ties
    return scores, labels


@pytest.mark.parametrize("name", TORCHMETRICS)
@pytest.mark.parametrize("positive", [0.1, 0.6])
def test_as_torchmetrics(name, positive):
    scores, labels = drawn(positive=positive)
    predicted = (scores > 0.5).astype(float)
    expected = TORCHMETRICS[name](torch.tensor(predicted).int(), torch.tensor(labels).int())
    assert getattr(measures, name)(predicted, labels) == pytest.approx(float(expected), abs=1e-6)  # theirs is float32


@pytest.mark.parametrize("positive", [0.1, 0.6])
def test_auc_is_mann_whitneys_u(positive):
    scores, labels = drawn(positive=positive)
    u = stats.mannwhitneyu(scores[labels == 1], scores[labels == 0]).statistic
    assert auc(scores, labels) == pytest.approx(u / ((labels == 1).sum() * (labels == 0).sum()), abs=1e-12)


def test_f1_on_positives_alone_is_f1_without_the_negatives():
    scores, labels = drawn()
    predicted = (scores > 0.5).astype(float)
    of_positives = labels == 1
    expected = measures.f1(predicted[of_positives], labels[of_positives])
    recall = measures.recall(predicted, labels)
    assert measures.f1_positive(predicted, labels) == pytest.approx(expected, abs=1e-12)
    assert measures.f1_positive(predicted, labels) == pytest.approx(2 * recall / (1 + recall), abs=1e-12)
    assert measures.f1(predicted, labels) < expected - 0.1


@pytest.mark.parametrize("name", [*TORCHMETRICS, "f1_positive", "auc"])
def test_resampled_is_the_measure_of_repeated_rows(name):
    scores, labels = drawn(n=60)
    values = scores if name == "auc" else (scores > 0.5).astype(float)
    measure = getattr(measures, name)
    counts = np.random.default_rng(1).multinomial(60, np.full(60, 1 / 60), size=10)
    expected = [measure(np.repeat(values, c), np.repeat(labels, c)) for c in counts]
    np.testing.assert_allclose(measure.resampled(values, labels, counts), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_no_threshold_is_better_than_the_best(seed):
    scores, labels = drawn(seed=seed)
    threshold = best_threshold(scores, labels)

    def balanced(t):
        return measures.balanced_accuracy((scores >= t).astype(float), labels)

    assert balanced(threshold) == pytest.approx(max(balanced(t) for t in np.unique(scores)), abs=1e-12)
    assert threshold not in scores


@pytest.mark.parametrize(
    ("name", "predicted", "labels"),
    [
        ("precision", [0, 0, 0], [1, 0, 0]),
        ("recall", [1, 0, 0], [0, 0, 0]),
        ("specificity", [1, 0, 0], [1, 1, 1]),
        ("balanced_accuracy", [1, 0, 0], [1, 1, 1]),
        ("f1", [0, 0, 0], [0, 0, 0]),
        ("f1_positive", [0, 1, 0], [0, 0, 0]),
        ("auc", [0.2, 0.4, 0.1], [1, 1, 1]),
    ],
)
def test_what_nothing_can_be_said_of_is_an_error(name, predicted, labels):
    with pytest.raises(UndefinedError, match=name):
        getattr(measures, name)(predicted, labels)


def test_numbers_are_no_labels():
    with pytest.raises(AgreementError, match=r"hold 0\.5"):
        measures.accuracy([0.5, 1, 0], [1, 1, 0])
    with pytest.raises(AgreementError, match="labels hold 2"):
        measures.recall([1, 1, 0], [2, 1, 0])
    with pytest.raises(AgreementError, match="labels"):
        auc([0.5, 1, 0], [3, 1, 0])


@pytest.mark.parametrize(("scores", "labels"), [([1, 2, 3], [1, 1, 1]), ([2, 2, 2], [1, 0, 1]), ([1, 2, 3], [1, 2, 3])])
def test_no_threshold_without_both_labels_and_different_scores(scores, labels):
    with pytest.raises(UndefinedError):
        best_threshold(scores, labels)
