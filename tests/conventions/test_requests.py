"""What a checkpoint is asked is what its authors' code asks: text after the chat template, and pixels of the images.

`official.json` was recorded by running the authors' own code (at the commits of the files of conventions) on this
sample: their message builders and `process_vision_info` of qwen-vl-utils 0.0.14, then Qwen's published chat templates.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import replace
from pathlib import Path

import PIL
import pytest

from editmetrics import Sample, create_metric
from editmetrics.conventions.reading import ConventionsError
from editmetrics.conventions.schema import ImageRule
from editmetrics.conventions.shown import qwen_size
from editmetrics.options import OptionError
from editmetrics.sample import SampleError

OFFICIAL = json.loads(Path(__file__).with_name("official.json").read_text(encoding="utf-8"))
SPECS = [spec for spec in OFFICIAL if spec not in ("pillow", "sample")]
IMAGE = "<|vision_start|><|image_pad|><|vision_end|>"
COPIES = {spec: os.environ.get(f"EDITMETRICS_{spec.upper()}_REPOSITORY") for spec in SPECS}
"""Of repositories whose prompts may not be shipped; read here, since tests run without such settings."""
SAME_PILLOW = OFFICIAL["pillow"] == PIL.__version__


def digest(data):
    return hashlib.sha256(data).hexdigest()


def sample(spec):
    prompts = OFFICIAL["sample"]
    folder = Path("docs/examples")
    return Sample(
        "coffee",
        source=folder / "source/coffee.jpg",
        edited=folder / "edited/coffee.jpg",
        prompt=prompts.get(spec, prompts["prompt"]),
    )


def chat(question, family):
    """The text of a question after Qwen's published chat template; only the older family has a system message of its
    own."""
    turns = [
        (message.role, "".join(part if isinstance(part, str) else IMAGE for part in message.parts))
        for message in question.messages
    ]
    if family == "qwen2_5_vl" and turns[0][0] != "system":
        turns.insert(0, ("system", "You are a helpful assistant."))
    return "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + "<|im_start|>assistant\n"


@pytest.mark.parametrize("spec", SPECS)
def test_questions_are_those_of_the_authors(spec):
    metric = create_metric(spec)
    if any(prompt.text is None for prompt in metric.conventions.prompts.values()):
        if COPIES[spec] is None:
            pytest.skip("its prompts may not be shipped; whoever has the repository compares them, too")
        metric.repository = COPIES[spec]
    for name, question in metric.questions(sample(spec)).items():
        text = chat(question, metric.model_rule.family)
        recorded = OFFICIAL[spec][name]
        assert digest(text.encode()) == recorded["text"]
        pixels = [image.pixels() for image in question.decoded().images()]
        assert len(pixels) == len(recorded["images"])
        if SAME_PILLOW:  # another version decodes and scales to other levels
            assert [digest(str(each.shape).encode() + each.tobytes()) for each in pixels] == recorded["images"]


def test_words_of_a_sample_stay_as_they_are_where_images_stand_in_the_text():
    metric = create_metric("rational_rewards")
    texts = {"system": "Be fair.", "task": "{request}: <image> and <image>.", "guideline": "Write {request}."}
    metric.use_texts(texts)
    words = "add an <image> of {request}"
    cat = Path("docs/examples")
    pair = Sample("cat", source=cat / "source/cat.jpg", edited=cat / "edited/cat.jpg", prompt=words)
    question = metric.questions(pair)["aspects"]
    parts = [part if isinstance(part, str) else "IMAGE" for part in question.messages[1].parts]
    assert parts == [f"{words}: ", "IMAGE", " and ", "IMAGE", ".\n\nWrite {request}."]
    assert question.messages[0].parts == ("Be fair.",)


def test_the_question_is_that_of_the_task_which_a_column_or_an_option_names():
    from editmetrics.suites.imgedit import SHA256

    metric, for_all = create_metric("img_edit_judge"), create_metric("img_edit_judge:task=add")
    assert {name: prompt.sha256 for name, prompt in metric.conventions.prompts.items()} == SHA256
    texts = {name: f"How well does it {name}? <edit_prompt>" for name in SHA256}
    cat = replace(sample(""), prompt="a hat", meta={"edit_type": "remove"})

    def asked(metric, sample):
        metric.use_texts(texts)
        return metric.questions(sample)["score"].messages[0].parts[0]

    assert (asked(metric, cat), asked(for_all, cat)) == (
        "How well does it remove? a hat",
        "How well does it add? a hat",
    )
    for meta, problem in (({}, "its edit_type is missing; expected one of"), ({"edit_type": "removal"}, "'remove'")):
        with pytest.raises(SampleError, match=problem) as caught:
            asked(metric, replace(cat, meta=meta))
        assert caught.value.status == "skipped"
    with pytest.raises(OptionError, match="no question for a task 'paint'"):
        create_metric("img_edit_judge:task=paint")
    assert {"repository", "task"} <= {option.name for option in type(metric).option_list()}
    for name in ("repository", "task"):  # which its shipped texts and its own questions have no use for
        with pytest.raises(OptionError, match=f"edit_score has no option '{name}'"):
            create_metric(f"edit_score:{name}=add")


def test_prompts_that_may_not_be_shipped_come_from_the_users_copy_by_checksum(tmp_path):
    with pytest.raises(ConventionsError, match=r"checkout 44e27ab.*repository=FOLDER"):
        create_metric("rational_rewards").text("system")
    metric = create_metric(f"rational_rewards:repository={tmp_path}")
    file = tmp_path / metric.conventions.prompts["system"].file
    with pytest.raises(ConventionsError, match="cannot be read"):
        metric.load()
    file.parent.mkdir(parents=True)
    file.write_text('SYSTEM_PROMPT = "You are kind."\n')
    with pytest.raises(ConventionsError, match="is not the version that was read"):
        metric.load()


QWEN_SIZES = {(20, 20): (56, 56), (427, 640): (420, 644), (512, 512): (504, 504), (4032, 6048): (812, 1204),
              (30, 1200): (28, 1204), (14, 42): (56, 112), (1024, 700): (1036, 700)}  # fmt: skip
"""Of `smart_resize` of qwen-vl-utils 0.0.14, for sides in 28s and 3,136 to 1,003,520 pixels."""


def test_sizes_are_those_of_qwen_vl_utils():
    rule = ImageRule(size="qwen", max_pixels=1280 * 28 * 28)
    assert {size: qwen_size(*size, rule) for size in QWEN_SIZES} == QWEN_SIZES
    with pytest.raises(SampleError, match="more than 200 times"):
        qwen_size(2, 500, rule)
