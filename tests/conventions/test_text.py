"""The read-out text on this machine and at an endpoint: what is sent, how answers are drawn, rounds, adapters."""

from __future__ import annotations

import json

import pytest

from editmetrics import Sample, create_metric
from editmetrics.judge import Answer, Judge
from editmetrics.sample import EditMetricsError
from editmetrics.testing import ScriptedJudge
from tests.judge.server import Reply, completion

CAT = Sample(
    "cat", source="docs/examples/source/cat.jpg", edited="docs/examples/edited/cat.jpg", prompt="give it a hat"
)
FINE = json.dumps({"reasoning": "fine", "score": [20, 25]})


def scripted(metric, *answers):
    """The metric with a judge that gives these answers: to the questions of a round in their order, and so on."""
    names = [rule.name for rule in metric.conventions.questions]
    texts = {name: question.messages for name, question in metric.questions(CAT).items()}

    def reply(question):
        asked = [texts[name][-1].parts[-1] for name in names].index(question.messages[-1].parts[-1])
        return answers[question.round * len(names) + asked]

    metric.use(Judge(ScriptedJudge(reply)))
    return metric


def answer(*numbers):
    return json.dumps({"reasoning": "seen", "score": list(numbers)})


def test_the_numbers_are_those_of_the_authors_code():
    """`EditScore.evaluate` gave these for the same two answers (`official.json` has them, too)."""
    score = scripted(create_metric("edit_score"), answer(20, 25), answer(10, 15))(CAT)
    assert dict(score) == pytest.approx(
        {"overall": 5.656854249492381, "semantic_consistency": 8.0, "perceptual_quality": 4.0, "prompt_following": 8.0,
         "consistency": 10.0}
    )  # fmt: skip


RATIONAL = """# User Request Analysis
Make the cup blue.
# Detailed Judgement
1. Text Faithfulness:
## Justification: The cup is blue, 1 of 2 handles is not.
## Score: 3.5
2. Image Faithfulness:
## Justification: Kept.
## Score: **4.0**
3. Physical and Visual Quality:
## Justification: A seam of 3 pixels.
## Score: 2.25
4. Text Rendering:
## Justification: None was asked for.
## Score: {}
# Summary: good

# User Request Refinement:
## Refinement Comments: -
## Refined Request: Make the whole cup blue."""


@pytest.mark.parametrize(("rendering", "overall"), [("N/A", 0.75), ("1.5", 0.6041666666666666)])
def test_aspects_are_those_of_the_parser_of_rational_rewards(rendering, overall):
    """`parse_i2i_scores` of the README (44e27ab) gave these for the same answers."""
    metric = create_metric("rational_rewards")
    values = metric.read("aspects", Answer(RATIONAL.format(rendering))).values
    assert metric.combine(values)["overall"] == pytest.approx(overall)
    assert ("text_rendering" in values) == (rendering != "N/A")


def test_several_rounds_give_a_mean_and_their_spread():
    answers = [answer(20, 25), answer(10, 15), answer(10, 25), answer(20, 25)]
    score = scripted(create_metric("edit_score:rounds=2"), *answers)(CAT)
    first, second = (8 * 4) ** 0.5, (4 * 8) ** 0.5
    assert score["overall"] == pytest.approx((first + second) / 2)  # the mean of the rounds, as "average_last"
    assert score["semantic_consistency"] == pytest.approx(6)
    assert score.uncertainty == pytest.approx(
        {"overall": 0.0, "semantic_consistency": 2.0, "perceptual_quality": 2.0, "prompt_following": 2.0,
         "consistency": 0.0}, abs=1e-12
    )  # fmt: skip


def test_a_number_that_is_missing_is_no_number():
    score = scripted(create_metric("edit_score"), answer(20, 25), "I like it: 9/10")(CAT)
    assert score.status == "unparseable"
    assert dict(score) == pytest.approx({"semantic_consistency": 8, "prompt_following": 8, "consistency": 10})
    score = scripted(create_metric("firm_edit"), answer(0), answer(5))(CAT)  # the published server's score of a failure
    assert "is 0, which is not from 1 to 5" in score.reason
    assert dict(score) == {"consistency": 1.0}


def test_an_endpoint_is_asked_as_the_authors_ask_and_draws_as_they_draw(server):
    server.replies = [Reply(completion(FINE))]
    spec = f"edit_score:backend=endpoint,endpoint={server.url},rounds=2,cache=false"
    metric = create_metric(spec)
    assert float(metric(CAT)) == pytest.approx(8)
    bodies = [request.body for request in server.requests]
    assert len(bodies) == 4
    assert {body["model"] for body in bodies} == {"EditScore/EditScore-7B"}
    assert sorted(body["seed"] for body in bodies) == [42, 42, 43, 43]
    drawn = {name: {body[name] for body in bodies} for name in ("temperature", "top_p", "top_k", "max_tokens")}
    assert drawn == {"temperature": {0.7}, "top_p": {0.9}, "top_k": {20}, "max_tokens": {512}}
    kinds = sorted([part["type"] for part in body["messages"][0]["content"]] for body in bodies)
    assert kinds == [["text", "image_url", "text"]] * 2 + [["text", "image_url", "text", "image_url", "text"]] * 2
    identity = metric.identity()
    assert identity["options"]["backend"] == identity["judge"]["judge"] == "endpoint"
    assert identity["judge"]["extra"] == {"top_p": 0.9, "top_k": 20}
    assert identity["judge"]["seed"] == 42


def test_options_come_before_the_authors_way_of_drawing():
    published = {"temperature": 0.7, "max_tokens": 512, "seed": 42, "top_p": 0.9, "top_k": 20}
    assert create_metric("edit_score").sampling() == published
    chosen = create_metric("edit_score:temperature=0.2,seed=7,max_tokens=64").sampling()
    assert chosen == published | {"temperature": 0.2, "seed": 7, "max_tokens": 64}
    assert create_metric("firm_edit").sampling() == {"temperature": 0.0, "max_tokens": 256}


def test_options_say_whom_to_ask():
    with pytest.raises(EditMetricsError, match="asked with backend=vllm, sglang or endpoint"):
        create_metric("edit_score:endpoint=http://localhost:8000/v1")
    with pytest.raises(EditMetricsError, match="requires the address of a server that serves EditScore/EditScore-7B"):
        create_metric("edit_score:backend=endpoint").load()
    with pytest.raises(EditMetricsError, match="leave out one of the two"):
        create_metric("edit_score:backend=endpoint,backbone=some/model")
    with pytest.raises(EditMetricsError, match="hf download ByteDance/Q-Insight --include 'score_degradation/"):
        create_metric("q_insight").load()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    from editmetrics.plugins.conformance.edit_regression import _model, _write_adapter
    from editmetrics.testing import tiny_backbone

    backbone = tiny_backbone("qwen2_5_vl", tmp_path_factory.mktemp("backbone"))
    adapter = tmp_path_factory.mktemp("adapter")
    _write_adapter(_model(backbone), adapter, r".*language_model\.layers\.\d+\.(self_attn|mlp)\.\w+_proj", 0)
    return backbone, adapter


def test_a_checkpoint_on_this_machine_answers_with_its_adapter(folders):
    """A random model writes nothing that can be read: how it answers is what is looked at."""
    from editmetrics import weights

    backbone, adapter = folders
    spec = f"edit_score:backbone={backbone},max_tokens=6,cache=false"
    with weights.substitute("edit_score.7b", adapter):
        metric = create_metric(spec, device="cpu")
        metric.load()
        question = metric.questions(CAT)["perceptual_quality"]
        texts = [metric.judge.ask(question).text for _ in range(2)]
        other = create_metric(f"{spec},seed=7", device="cpu")
        other.load()
        identity = metric.identity()["judge"]["backbone"]
    assert texts[0] == texts[1] != other.judge.ask(question).text
    drawn = metric.identity()["judge"]
    assert {name: drawn[name] for name in ("temperature", "top_p", "top_k", "seed", "max_tokens")} == {
        "temperature": 0.7, "top_p": 0.9, "top_k": 20, "seed": 42, "max_tokens": 6}  # fmt: skip
    assert identity["adapter"].keys() == {"adapter_config.json", "adapter_model.safetensors"}
    assert metric(CAT).status == "unparseable"


def test_an_adapter_of_another_content_is_another_adapter(folders, tmp_path):
    """The settings are the same, and only the matrices differ."""
    import shutil

    from safetensors.torch import load_file, save_file

    from editmetrics import weights
    from editmetrics.conventions.adapted import put_published_adapter
    from editmetrics.mllm.backbone import Backbone

    base, adapter = folders
    backbone, names = Backbone.load(base, device="cpu"), []
    for factor in (1, 2, 3, 1):
        folder = shutil.copytree(adapter, tmp_path / f"{len(names)}")
        tensors = load_file(folder / "adapter_model.safetensors")
        save_file({name: factor * tensor for name, tensor in tensors.items()}, folder / "adapter_model.safetensors")
        with weights.substitute("edit_score.7b", folder):
            names.append(put_published_adapter(backbone, "edit_score.7b"))
    assert len(set(names)) == 3
    assert names[0] == names[3]


def written_adapter(folder, base):
    settings = {"peft_type": "LORA", "r": 4, "lora_alpha": 8, "base_model_name_or_path": base}
    (folder / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


BASE = "Qwen/Qwen2.5-VL-7B-Instruct"


@pytest.mark.parametrize(
    "base",
    ["Qwen/Qwen2-VL-7B-Instruct", "/c/hub/models--Qwen--Qwen2.5-VL-7B/snapshots/3c", "qwen/Qwen2.5-VL-32B-Instruct"],
)
def test_an_adapter_of_another_model_of_the_same_owner_is_refused(tmp_path, base):
    """The layers of Qwen2-VL-7B and Qwen2.5-VL-7B have the same sizes, so that these alone would not tell."""
    from editmetrics.conventions.adapted import check_base
    from editmetrics.mllm.lora import LoraError

    with pytest.raises(LoraError, match=rf"adapter_config.json: the adapter was trained on .*, and this is {BASE}"):
        check_base(written_adapter(tmp_path, base), BASE)


@pytest.mark.parametrize(
    ("base", "warned"),
    [
        (BASE, False),
        (None, False),
        (["no", "text"], False),
        ("/home/someone/models/qwen2.5-vl-7b-instruct/", False),
        ("D:\\models\\Qwen2.5-VL-7B-Instruct", False),
        ("/c/hub/models--Qwen--Qwen2.5-VL-7B-Instruct/snapshots/3c", False),  # so on the page of EditScore-7B
        ("/m/.cache/modelscope/hub/Qwen/Qwen2___5-VL-7B-Instruct", False),
        ("someone/a-copy", True),
        ("/data/qwen/base", True),
    ],
)
def test_a_base_by_another_name_is_taken_and_said(tmp_path, caplog, base, warned):
    from editmetrics.conventions.adapted import check_base

    check_base(written_adapter(tmp_path, base), BASE)
    assert [base in line and BASE in line for line in caplog.messages] == [True] * warned


def test_an_adapter_is_compared_with_the_base_that_conventions_name(folders, tmp_path):
    import shutil

    from editmetrics import weights
    from editmetrics.mllm.lora import LoraError

    backbone, adapter = folders
    other = shutil.copytree(adapter, tmp_path / "adapter")
    settings = json.loads((other / "adapter_config.json").read_text(encoding="utf-8"))
    settings["base_model_name_or_path"] = "Qwen/Qwen2-VL-7B-Instruct"
    (other / "adapter_config.json").write_text(json.dumps(settings), encoding="utf-8")
    with (
        weights.substitute("edit_score.7b", other),
        pytest.raises(LoraError, match=rf"Qwen2-VL-7B-Instruct, and this is {BASE}"),
    ):
        create_metric(f"edit_score:backbone={backbone}", device="cpu").load()
