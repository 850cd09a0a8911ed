"""Which images are real and which edited, and that a split keeps sources apart."""

from dataclasses import replace

import numpy as np
import pytest

from editmetrics import Sample
from editmetrics.mllm.targets import TargetError
from editmetrics.plugins.hpe_lsa.labels import AUTHENTICITY, LABEL, labelled, read_labelled_set

from .conftest import TARGETS


def image(value):
    return np.random.default_rng(value).integers(0, 256, (16, 16, 3), dtype=np.uint8)


def read(samples, val=None, **more):
    given = {"targets": TARGETS, "label_scale": (0, 100), "group": "source", "seed": 0, **more}
    return read_labelled_set(samples, val, **given)


def test_without_labels_sources_are_the_real_images(samples):
    data = read(samples)
    sizes = {name: len(part.images) for name, part in data.parts.items()}
    assert sum(sizes.values()) == 48 + 24
    assert sizes == {"train": 48, "validation": 12, "test": 12}  # 4:1:1
    sources = {name: {sample.source for sample in part.edited()} for name, part in data.parts.items()}
    for name, part in data.parts.items():
        assert {sample.edited for sample in part.real()} == sources[name]  # a real image stays with its edits
        assert [example.id for example in part.rated] == [sample.id for sample in part.edited()]
    assert not sources["train"] & sources["validation"] | sources["validation"] & sources["test"]
    assert not sources["train"] & sources["test"]


def test_a_given_validation_set_is_used_and_nothing_is_set_aside_for_test(samples):
    data = read(samples[:40], samples[40:])
    assert {name: len(part.rated) for name, part in data.parts.items()} == {"train": 40, "validation": 8}
    with pytest.raises(TargetError, match="share their source"):
        read(samples[:40], samples[38:])


def test_labels_come_from_their_column_and_real_images_need_no_rating():
    real = [Sample(f"real {n}", edited=image(n), meta={"is_real": "1"}) for n in range(24)]
    edits = [
        Sample(f"edit {n}", edited=image(100 + n), source=image(n), prompt="x", meta={"is_real": 0, "mos": float(n)})
        for n in range(24)
    ]
    data = read([*real, *edits], targets={"perceptual_quality": "mos", AUTHENTICITY: "is_real"})
    for part in data.parts.values():
        numbers = [{sample.id.split()[1] for sample in kind} for kind in (part.real(), part.edited())]
        assert numbers[0] == numbers[1]  # the source and its edit, though the real row says nothing of a source
        assert {example.id.split()[0] for example in part.rated} == {"edit"}
    assert data.counts()["left_out"] == {}


def test_rows_without_label_or_rating_are_left_out_and_counted(samples):
    column = {"authentic": "0"}
    rows = [replace(s, meta={**s.meta, **column}) for s in samples]
    rows += [Sample(f"real {n}", edited=s.source, meta={"authentic": "1"}) for n, s in enumerate(samples[::2])]
    rows[0] = replace(rows[0], meta={**rows[0].meta, "authentic": ""})
    rows[1] = replace(rows[1], meta={**rows[1].meta, "visual_quality": "?"})
    data = read(rows, targets={**TARGETS, AUTHENTICITY: "authentic"})
    assert data.counts()["left_out"] == {"no label": 1, "no number in visual_quality": 1}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"targets": {AUTHENTICITY: "authentc"}}, "column 'authentc' does not exist"),
        ({"targets": {AUTHENTICITY: "visual_quality"}}, "expected 1 for a real image and 0"),
        ({"label_scale": (0, 50)}, "outside the label scale"),
    ],
)
def test_what_makes_no_sense_is_said(samples, change, said):
    with pytest.raises(TargetError, match=said):
        read(samples, **change)


def test_edits_without_sources_need_labels():
    with pytest.raises(TargetError, match="no image is real"):
        labelled([Sample("a", edited=image(1)), Sample("b", edited=image(2))])


def test_a_source_stands_once_among_the_real_images(samples):
    found = labelled(samples)
    assert [sample.meta[LABEL] for sample in found] == [0] * 48 + [1] * 24
    assert len({sample.edited for sample in found[48:]}) == 24
