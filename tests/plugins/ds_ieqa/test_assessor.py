"""What is read of a backbone, by shared prefixes and cached images, against a plain forward pass."""

import pytest
import torch

from editmetrics.images import read_image
from editmetrics.mllm.backbone import Backbone
from editmetrics.mllm.lora import add_lora, using
from editmetrics.mllm.targets import Example
from editmetrics.plugins.ds_ieqa.assessor import DigitAssessor
from editmetrics.plugins.ds_ieqa.definitions import Feedback
from editmetrics.plugins.ds_ieqa.digit_scale import DigitScale
from editmetrics.plugins.ds_ieqa.fdmpo import definition_value
from editmetrics.plugins.ds_ieqa.prompts import START_DEFINITIONS
from tests.plugins.ds_ieqa.conftest import FAMILIES

SCALE = DigitScale(0, 100)
TOLERANCE = 2e-5
"""Of probabilities: float32 rounds otherwise where a sum is split by the cache; measured below 2e-6."""


@pytest.fixture(params=FAMILIES)
def assessor(request, backbones):
    return DigitAssessor(Backbone.load(backbones[request.param], device="cpu"), START_DEFINITIONS, SCALE)


def prepared(assessor, samples):
    return [assessor.prepare(read_image(sample.source), read_image(sample.edited), sample.prompt) for sample in samples]


def plain_digits(assessor, prompt, text):
    """The distribution over the ten digits that a plain forward pass gives after the prompt and `text`."""
    backbone = assessor.backbone
    longer = type(prompt)(torch.cat([prompt.ids, torch.tensor(backbone.tokens(text), dtype=torch.long)]),
                          prompt.pictures, prompt.answer_start)  # fmt: skip
    with torch.no_grad():
        hidden = backbone.forward([longer]).hidden[0, -1:]
        logits = backbone.logits(hidden)[0]
    return logits[assessor.digits].softmax(-1), logits.softmax(-1)[assessor.digits].sum()


def check_against_plain_forward(assessor, samples, adapter_of):
    batch = prepared(assessor, samples)
    read = assessor.read(batch)
    for dimension, number in read.items():
        for row, prompts in enumerate(batch):
            text = f"{float(number.value[row]):.2f}"
            with using(assessor.backbone, adapter_of(dimension)):
                steps = [plain_digits(assessor, prompts[dimension], text[:cut]) for cut in (0, 2, 3)]
            for place, (probabilities, mass) in enumerate(steps):
                assert torch.allclose(number.probabilities[row, place].float(), probabilities, atol=TOLERANCE)
                assert abs(number.mass[row, place] - mass) < TOLERANCE
                assert int(probabilities.argmax()) == int(text.replace(".", "")[place])


def test_dimensions_that_share_a_prefix_read_as_one_plain_forward_each(assessor, samples):
    longer = [
        samples[0],
        *(type(s)(s.id, edited=s.edited, source=s.source, prompt=s.prompt + " and nothing else") for s in samples[1:3]),
    ]
    check_against_plain_forward(assessor, longer, lambda dimension: None)


@pytest.mark.parametrize("parts", [{"language"}, {"language", "vision"}])
def test_adapters_read_as_one_plain_forward_each(assessor, samples, parts):
    adapters = {}
    for seed, dimension in enumerate(START_DEFINITIONS):
        name = f"{dimension}-{'-'.join(sorted(parts))}"
        add_lora(assessor.backbone, name, parts=parts, rank=4, alpha=8, seed=seed)
        with torch.no_grad():  # a new adapter changes nothing; this one shall
            for key, parameter in assessor.backbone.model.named_parameters():
                if f".lora_B.{name}." in key:
                    parameter.normal_(0, 0.2, generator=torch.Generator().manual_seed(seed))
        adapters[dimension] = name
    raw = assessor.read(prepared(assessor, samples[:2]))
    assessor.adapters = adapters
    check_against_plain_forward(assessor, samples[:2], adapters.__getitem__)
    adapted = assessor.read(prepared(assessor, samples[:2]))
    for dimension in START_DEFINITIONS:  # or the adapters were not at work
        assert (raw[dimension].probabilities - adapted[dimension].probabilities).abs().max() > 100 * TOLERANCE


def test_a_sample_reads_the_same_alone_and_among_others(assessor, samples):
    others = [
        samples[0],
        type(samples[1])(
            "x", edited=samples[1].edited, source=samples[1].source, prompt="make it " + "very " * 30 + "red"
        ),
    ]
    alone = assessor.read(prepared(assessor, samples[:1]))
    among = assessor.read(prepared(assessor, others))
    for dimension in START_DEFINITIONS:
        assert torch.allclose(alone[dimension].probabilities[0], among[dimension].probabilities[0], atol=TOLERANCE)


def test_the_feedback_from_cached_images_is_the_plain_definition_value(assessor, samples):
    examples = [
        Example(sample, {"visual_quality": 100.0 * number / 9}) for number, sample in enumerate(samples[:10])
    ]  # more than one batch

    def pairs(sample):
        return assessor.see(read_image(sample.source), read_image(sample.edited))

    feedback = Feedback(assessor, examples, pairs)
    for definition in (START_DEFINITIONS["visual_quality"], "Say how sharp it is.", "Is it good? " * 20):
        values = []
        for example in examples:
            prompt = assessor.prompt(pairs(example.sample), example.sample.prompt, "visual_quality", definition)
            digits = SCALE.digits(example.targets["visual_quality"])
            text = torch.tensor(assessor.backbone.tokens(f"{digits[0]}.{digits[1]}{digits[2]}"))
            taught = type(prompt)(torch.cat([prompt.ids, text]), prompt.pictures, prompt.answer_start)
            with torch.no_grad():
                hidden = assessor.backbone.forward([taught]).hidden[0]
                logits = assessor.backbone.logits(hidden[[-5, -3, -2]])
            values.append(float(definition_value(logits[None], torch.tensor([digits]), assessor.digits)))
        assert feedback("visual_quality", definition).values == pytest.approx(values, abs=TOLERANCE)


def test_the_budget_of_kept_images_bounds_them_and_changes_no_number(assessor, samples, monkeypatch):
    """One cache of a batch serves both dimensions; what does not fit is read again for each definition."""
    examples = [
        Example(sample, {"visual_quality": 11.0 * number, "content_preservation": 99.0 - 11.0 * number})
        for number, sample in enumerate(samples[:7])
    ]
    reads = []
    read = Backbone.read
    monkeypatch.setattr(Backbone, "read", lambda *given: reads.append(made := read(*given)) or made)

    def pairs(sample):
        return assessor.see(read_image(sample.source), read_image(sample.edited))

    def searched(budget):
        reads.clear()
        feedback = Feedback(assessor, examples, pairs, batch=3, cache_bytes=budget)
        values = [
            feedback(dimension, definition)
            for dimension in ("visual_quality", "content_preservation")
            for definition in ("Say how sharp it is.", "Is it good? " * 9)
        ]
        return values, len(reads), [cache.nbytes for cache in feedback._kept.values()]

    everything, count, sizes = searched(1 << 40)
    assert count == len(sizes) == 3
    assert len({str(feedback.values) for feedback in everything}) == 4
    assert searched(0) == (everything, 12, [])  # equal to the bit
    assert searched(sum(sizes) - 1) == (everything, 2 + 4, sizes[:2])


def test_the_vision_tower_sees_each_image_once(assessor, samples):
    seen = []
    look = assessor.backbone.family.look

    class Counting(type(assessor.backbone.family)):
        def look(self, model, pictures):
            seen.extend(pictures)
            return look(model, pictures)

    family, assessor.backbone.family = assessor.backbone.family, Counting()
    try:
        assessor.read(prepared(assessor, samples[:3]))
    finally:
        assessor.backbone.family = family
    assert len(seen) == 6  # two images of three samples, for three dimensions
