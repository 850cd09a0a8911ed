"""A file of conventions is checked whole, errors name file and line, and another package's file makes a metric, too."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest

from editmetrics import Sample, create_metric, registry
from editmetrics.builtin import BUILTIN, CONVENTIONS
from editmetrics.conventions import FOLDER, metric_class_of
from editmetrics.conventions.described import documentation
from editmetrics.conventions.dimensions import combined
from editmetrics.conventions.reading import ConventionsError, digest_of, read_conventions
from editmetrics.files.toml import line_of
from editmetrics.mllm.families import FAMILIES
from editmetrics.registry import metric_class
from editmetrics.weights import registered

EDIT_SCORE = (FOLDER / "edit_score.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", CONVENTIONS)
def test_every_file_is_a_built_in_metric(name):
    conventions = read_conventions(FOLDER / f"{name}.toml")
    assert BUILTIN[name] == f"editmetrics.conventions:{name}"
    assert metric_class(name).conventions == conventions
    assert {model.family for model in conventions.models} <= FAMILIES.keys()
    assert {model.weights for model in conventions.models if model.weights} <= registered().keys()
    assert conventions.origin.commit
    assert conventions.origin.read_on
    for line in documentation(conventions).splitlines():
        assert len(line) <= 120


def edited(*changes):
    text = EDIT_SCORE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return text


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("temperature = 0.7", "temperature = ", r"is not TOML: .*line \d+"),
        ("temperature = 0.7", "temprature = 0.7", r"line \d+: sampling.temprature: unknown key; .*'temperature'"),
        ("temperature = 0.7\n", "", r"line \d+: sampling.temperature: it is missing"),
        ("temperature = 0.7", 'temperature = "0.7"', r"line \d+: sampling.temperature: it is '0.7'; expected a number"),
        ("top_k = 20", "top_k = 20.5", r"line \d+: sampling.top_k: it is 20.5; expected a whole number"),
        ('name = "32b"', 'name = "7b"', r"line \d+: models\[1\].name: there are two of the name '7b'"),
        ('how = "min"', 'how = "median"', r"line \d+: dimensions\[1\].how: it is 'median'; expected"),
        ('images = ["edited"]', 'images = ["mask"]', r"line \d+: questions\[1\].images\[0\]: it is 'mask'"),
        ('texts = ["perceptual_quality"]', 'texts = ["quality"]', r"line \d+: questions\[1\].texts: no prompt"),
        ("naturalness", "natural", r"line \d+: dimensions\[2\].values: unknown value 'naturalness'"),
        ("The objective is", "The aim is", r"line \d+: prompts.semantic_consistency.sha256: that of the text is "),
        ('requires = ["source", ', 'requires = ["sorce", ', r"line \d+: requires\[0\]: unknown field 'sorce'"),
        ('readout = "text"', 'readout = "words"', r"line \d+: readout: it is 'words'; expected text, state"),
        ('name = "edit_score"', 'name = "editscore"', r"line 1: name: it is 'editscore'; expected the name of"),
        ('values = ["semantic_consistency", "perceptual_quality"]', 'values = ["overall", "perceptual_quality"]',
         r"line \d+: dimensions\[0\].values: it is made out of its own number"),
        ('"<instruction>" = "prompt"', '"<text>" = "prompt"', r"prompts.semantic_consistency.slots.<text>: it is not"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(old, new, message, tmp_path):
    file = tmp_path / "edit_score.toml"
    text = edited((old, new))
    file.write_text(text, encoding="utf-8")
    with pytest.raises(ConventionsError, match=message) as caught:
        read_conventions(file)
    assert str(caught.value).startswith(str(file))
    key = new.partition(" = ")[0]
    if " = " in new and "TOML" not in message and not key.startswith('"'):  # the line is that of the change
        line = int(str(caught.value).partition(", line ")[2].partition(":")[0])
        assert text.splitlines()[line - 1].startswith(key)


def test_the_checksum_is_that_of_what_changes_numbers(tmp_path):
    file = tmp_path / "edit_score.toml"

    def digest(*changes):
        file.write_text(edited(*changes), encoding="utf-8")
        return digest_of(read_conventions(file))

    before = digest()
    assert digest(("title = ", "# a comment\ntitle = ")) == before
    assert digest(('read_on = "2026-11-30"', 'read_on = "2026-12-01"')) == before
    for change in (("times = 0.4", "times = 0.5"), ("seed = 42", "seed = 43"), ('how = "min"', 'how = "mean"'),
                   ('images = ["source", "edited"]', 'images = ["edited", "source"]')):  # fmt: skip
        assert digest(change) != before


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("edit_score", {"prompt_following": 8, "consistency": 10, "naturalness": 4, "freedom_from_artifacts": 6},
         {"overall": 32**0.5, "semantic_consistency": 8, "perceptual_quality": 4, "prompt_following": 8,
          "consistency": 10}),
        ("edit_score", {"prompt_following": 8, "consistency": 10},
         {"semantic_consistency": 8, "prompt_following": 8, "consistency": 10}),
        # E (0.6 + 0.4 C), as in the authors' reward
        ("firm_edit", {"scaled_execution": 0.75, "scaled_consistency": 0.5},
         {"overall": 0.6, "execution": 0.75, "consistency": 0.5, "executed_consistency": 0.375}),
        ("firm_edit", {"scaled_execution": 0.75}, {"execution": 0.75}),
        # A (0.4 + 0.6 Q), Q the lowest, as in the authors' training
        ("firm_gen", {"scaled_alignment": 0.75, "aesthetics": 1, "technical_quality": 0.5, "structure": 0.75},
         {"overall": 0.525, "alignment": 0.75, "quality": 0.5, "aligned_quality": 0.375}),
        ("firm_gen", {"aesthetics": 1, "technical_quality": 0.5, "structure": 0.75}, {"quality": 0.5}),
        ("rational_rewards_t2i", {"text_faithfulness": 1, "physical_quality": 0.5},
         {"overall": 0.75, "text_faithfulness": 1, "physical_quality": 0.5}),
        ("rational_rewards", {"text_faithfulness": 1, "image_faithfulness": 0.5, "physical_quality": 0},
         {"overall": 0.5, "text_faithfulness": 1, "image_faithfulness": 0.5, "physical_quality": 0}),
        ("rational_rewards", {}, {}),
        # not the mean of what is there
        ("rational_rewards", {"text_faithfulness": 1, "text_rendering": 1},
         {"text_faithfulness": 1, "text_rendering": 1}),
    ],
)  # fmt: skip
def test_dimensions_follow_from_values(name, values, expected):
    assert combined(metric_class(name).conventions, values) == pytest.approx(expected)


def test_a_weighted_mean_is_one_for_any_weights():
    conventions = metric_class("firm_edit").conventions
    overall, *others = conventions.dimensions
    heavier = replace(conventions, dimensions=(replace(overall, weights=(3.0, 1.0)), *others))
    values = {"scaled_execution": 0.75, "scaled_consistency": 0.5}
    assert combined(heavier, values)["overall"] == pytest.approx((3 * 0.75 + 0.375) / 4)


def test_the_documentation_tells_how_each_checkpoint_sees_images():
    words = " ".join(metric_class("edit_score").__doc__.split())
    assert "3136 to 12845056 pixels (7b, 32b, 72b). Images have their own size (qwen3-vl-4b, qwen3-vl-8b)" in words


def test_a_text_over_several_lines_holds_no_keys():
    text = 'first = """\n[decoy]\nkey = 1\n"""\nsecond = """one line"""\n[table]\nkey = 2'
    assert [line_of(text, key) for key in (("table", "key"), ("second",), ("decoy", "key"))] == [7, 5, 1]


def test_a_package_of_its_own_ships_a_file_and_one_line(tmp_path, monkeypatch):
    file = tmp_path / "my_assessor.toml"
    file.write_text(edited(('name = "edit_score"', 'name = "my_assessor"')), encoding="utf-8")
    module = ModuleType("my_package")
    module.my_assessor = metric_class_of(file, "my_package")
    monkeypatch.setitem(sys.modules, "my_package", module)
    monkeypatch.setitem(registry.BUILTIN, "my_assessor", "my_package:my_assessor")
    metric = create_metric("my_assessor:checkpoint=32b")
    assert metric.identity()["package"] == "my_package"
    assert metric.identity()["checkpoint"]["base"] == "Qwen/Qwen2.5-VL-32B-Instruct"
    with pytest.raises(registry.OptionError, match="no checkpoint '33b'; expected one of 7b, 32b"):
        create_metric("my_assessor:checkpoint=33b")
    questions = metric.questions(
        Sample("cat", source="docs/examples/source/cat.jpg", edited="docs/examples/edited/cat.jpg", prompt="a hat")
    )
    assert questions["semantic_consistency"].messages[0].parts[-1].endswith("Editing instruction: a hat\n")
