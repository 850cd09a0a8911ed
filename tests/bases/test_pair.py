"""Metrics of two edits: both orders, four outcomes, and what is neither of them."""

import json

import numpy as np
import pytest

from editmetrics import Sample, create_metric, score
from editmetrics.bases.pair import PairMetric, Preference
from editmetrics.judge import Judge, JudgeError
from editmetrics.plugins.pair_judge.protocols import GENARENA, MMRB2, PROTOCOLS, PVC_JUDGE
from editmetrics.scoring.beside import outcomes
from editmetrics.testing import ScriptedJudge

GREY = [np.full((8, 8, 3), level, np.uint8) for level in (10, 90, 170, 250)]


def pair(name, edited, rival, **more):
    return Sample(name, source=GREY[0], edited=GREY[edited], rival=GREY[rival], prompt="make it bright", **more)


def asked(reply, **options):
    metric = create_metric("pair_judge", **options)
    metric.use(Judge(ScriptedJudge(reply)))
    return metric


def levels(question):
    return [int(image.pixels().mean()) for image in question.images()]


def brighter(question):
    _, first, second = levels(question)
    winner = "tie" if first == second else "A" if first > second else "B"
    return json.dumps({"why": f"{first} against {second}", "winner": winner})


@pytest.mark.parametrize(
    ("edited", "rival", "preference", "outcome"), [(3, 1, 1, "win"), (1, 3, -1, "loss"), (2, 2, 0, "tie")]
)
def test_both_orders_are_asked_and_agree(edited, rival, preference, outcome):
    seen = []
    metric = asked(lambda question: seen.append(levels(question)) or brighter(question), ties=True)
    found = metric(pair("x", edited, rival))
    assert (float(found), found["consistent"], found.details["outcome"]) == (preference, 1, outcome)
    light = [int(GREY[n].mean()) for n in (edited, rival)]
    assert sorted(seen) == sorted([[10, *light], [10, *light[::-1]]])
    assert found.explanation.count("against") == 2


def test_an_answer_that_changes_with_the_order_is_inconsistent_and_no_tie():
    found = asked(lambda question: '{"why": "it is first", "winner": "A"}')(pair("x", 3, 1))
    assert (found.ok, float(found), found["consistent"]) == (True, 0, 0)
    assert (found.details["outcome"], found.details["orders"]) == ("inconsistent", [1, -1])


def test_a_win_in_one_order_and_a_tie_in_the_other_do_not_agree():
    def wavering(question):
        return brighter(question) if levels(question)[1] == 250 else '{"why": "alike", "winner": "tie"}'

    found = asked(wavering, ties=True)(pair("x", 3, 1))
    assert (float(found), found["consistent"], found.details["outcome"]) == (0.5, 0, "inconsistent")
    assert found.details["orders"] == [1, 0]


def test_half_a_pair_has_no_number():
    replies = {10: 0}

    def once(question):
        replies[10] += 1
        return brighter(question) if levels(question)[1] == 250 else "I would rather not say."

    found = asked(once)(pair("x", 3, 1))
    assert found.status == "unparseable"
    assert dict(found) == {}
    assert "outcome" not in found.details


@pytest.mark.parametrize("text", ['{"why": "both", "winner": "tie"}', "A", '{"why": "", "winner": "C"}', "A or B"])
def test_a_tie_must_be_allowed_and_letters_be_in_json(text):
    assert asked(lambda question: text).score([pair("x", 3, 1)])[0].status == "unparseable"


def test_aspects_are_asked_one_by_one_and_averaged():
    def by_aspect(question):
        text = question.messages[-1].parts[-1]
        if "more natural" in text:  # quality: the darker one
            return json.dumps({"why": "", "winner": "B" if json.loads(brighter(question))["winner"] == "A" else "A"})
        return brighter(question)

    found = asked(by_aspect, about="aspects")(pair("x", 3, 1))
    assert (found["instruction"], found["preservation"], found["quality"]) == (1, 1, -1)
    assert float(found) == pytest.approx(1 / 3)
    assert found.details["outcome"] == "win"
    half = asked(lambda question: "no" if "natural" in question.messages[-1].parts[-1] else brighter(question),
                 about="aspects").score([pair("x", 3, 1)])[0]  # fmt: skip
    assert (half.status, dict(half), "outcome" in half.details) == ("unparseable", {}, False)


def test_rounds_are_averaged_and_their_orders_compared():
    def wavering(question):
        return json.dumps({"why": "", "winner": "A"}) if question.round == 2 else brighter(question)

    found = asked(wavering, rounds=3)(pair("x", 3, 1))
    assert float(found) == pytest.approx(2 / 3)
    assert found["consistent"] == pytest.approx(2 / 3)
    assert (found.details["outcome"], found.details["orders"]) == ("win", [1, 1])


def test_outcomes_are_counted_and_written(tmp_path):
    def always_a_where_grey(question):
        _, first, second = levels(question)
        if 90 in (first, second) and 170 in (first, second):
            return '{"why": "", "winner": "A"}'
        return "no" if 10 in (first, second) else brighter(question)

    samples = [
        pair("s1", 3, 1, meta={"system": "x"}), pair("s2", 1, 3, meta={"system": "x"}),
        pair("s3", 1, 2, meta={"system": "x"}), pair("s4", 2, 2, meta={"system": "y"}),
        pair("s5", 0, 3, meta={"system": "y"}),
    ]  # fmt: skip
    results = score(samples, [asked(always_a_where_grey, ties=True)], output=tmp_path / "s.csv")
    label = "pair_judge:ties=True"
    assert outcomes(results) == {(label, "x"): {"win": 1, "loss": 1, "inconsistent": 1}, (label, "y"): {"tie": 1}}
    table = results.table()
    assert table[f"{label}.outcome"].to_list() == ["win", "loss", "inconsistent", "tie", None]
    assert table[f"{label}.orders"].to_list() == ["1, 1", "-1, -1", "1, -1", "0, 0", None]
    again = score(samples, [asked(always_a_where_grey, ties=True)], output=tmp_path / "s.csv")
    assert (again.reused, outcomes(again)) == (5, outcomes(results))

    from editmetrics.tables.results import results_blocks

    lines = [block for block in results_blocks(results, written=True) if isinstance(block, str)]
    assert f"{label}, x: 1 won, 1 lost, 0 tied, 1 inconsistent" in lines


class Counted(PairMetric):
    name, version = "counted", 1

    def prepare_order(self, sample):
        return {"first": sample.edited.mean(), "second": sample.rival.mean()}

    def prefer(self, batch):
        return [Preference((one["first"] - one["second"]) / 255) for one in batch]


def test_a_network_compares_batches_of_orders():
    one, other = Counted().score([pair("a", 3, 1), pair("b", 1, 3)])
    assert (float(one), float(other)) == (pytest.approx(160 / 255), pytest.approx(-160 / 255))
    assert (one.details["outcome"], other.details["outcome"]) == ("win", "loss")
    assert Counted().score([Sample("c", source=GREY[0], edited=GREY[1], prompt="x")])[0].status == "skipped"


def test_unified_rewards_question_and_answer():
    texts = []

    def reply(question):
        *images, text = question.messages[0].parts
        texts.append((text, [image.content.mime for image in images]))
        first, second = levels(question)[1:]
        return f"Both follow it. **Image {1 if first > second else 2}** is better than the other one."

    found = asked(reply, protocol="unified_reward")(pair("x", 3, 1))
    assert (float(found), found.details["outcome"]) == (1, "win")
    text, mimes = texts[0]
    assert text.endswith("Text instruction - make it bright\n")
    assert mimes == ["image/jpeg"] * 3
    for words in ("Image 1 is better than Image 2, yet Image 2 is better.", "Image 2 is not better than Image 1."):
        unclear = asked(lambda question, words=words: words, protocol="unified_reward")
        assert unclear.score([pair("x", 3, 1)])[0].status == "unparseable"


@pytest.mark.parametrize("name", ["genarena", "mmrb2"])
def test_prompts_that_may_not_be_shipped_are_read_from_a_copy(tmp_path, monkeypatch, name):
    import dataclasses
    import hashlib

    official = {"genarena": GENARENA, "mmrb2": MMRB2}[name]
    prompt = "You compare {A} and {B}."
    code = f"{official.key} = {prompt!r}\n" if name == "genarena" else f"def {official.key}():\n    return {prompt!r}\n"
    (tmp_path / "their.py").write_text(code)
    file = str(tmp_path / "their.py")
    with pytest.raises(JudgeError, match="prompt_file=PATH"):
        asked(brighter, protocol=name).load()
    with pytest.raises(Exception, match="another text"):
        asked(brighter, protocol=name, prompt_file=file).load()
    digest = hashlib.sha256(prompt.encode()).hexdigest()
    mine = dataclasses.replace(PROTOCOLS[name], prompt=dataclasses.replace(official, sha256=digest))
    monkeypatch.setitem(PROTOCOLS, name, mine)
    seen = []

    def reply(question):
        seen.append([part if isinstance(part, str) else "image" for part in question.messages[0].parts])
        winner = json.loads(brighter(question))["winner"]
        return json.dumps({"reasoning": {"comparison_summary": "brighter"}, "score": 6, "better_response": winner})

    metric = asked(reply, protocol=name, prompt_file=file)
    assert metric(pair("x", 3, 1)).details["outcome"] == "win"
    label = ["[INPUT IMAGE FROM PROMPT:]"] if name == "genarena" else []
    assert seen[0] == [prompt, "[ORIGINAL PROMPT TO MODEL:]", "make it bright", *label, "image",
                       "[RESPONSE A:]", "image", "[RESPONSE B:]", "image"]  # fmt: skip
    assert metric.identity()["prompts"] == {"sha256": digest}
    with pytest.raises(JudgeError, match="leave out about= and ties="):
        asked(reply, protocol=name, prompt_file=file, ties=True).load()


PVC_FILE = """\
prompt_id: a/b
system_prompt: You look at *all* that was kept.
user_prompt:
  - text: |
      Which kept more?

      ```json
      {
          "winner": "..."
      }
      ```
      **Instruction:** {{ instruction }}
      Original Image:
  - image:
      source: input_image
  - text: |
      Image A:
  - image:
      index: 0
  - text: |
      Image B:
  - image:
      index: 1

metadata: {}
"""


@pytest.fixture
def pvc(tmp_path, monkeypatch):
    """PVC-Judge's protocol with a prompt of the same layout, under this prompt's checksum."""
    import dataclasses
    import hashlib

    file = tmp_path / "v1.yaml"
    file.write_text(PVC_FILE)
    with pytest.raises(Exception, match=r"not the version that was read; expected .*pairwise/v1.yaml"):
        asked(brighter, protocol="pvc_judge", prompt_file=str(file)).load()
    official = dataclasses.replace(PVC_JUDGE, sha256=hashlib.sha256(PVC_FILE.encode()).hexdigest())
    protocol = dataclasses.replace(PROTOCOLS["pvc_judge"], prompt=official)
    monkeypatch.setitem(PROTOCOLS, "pvc_judge", protocol)
    return lambda reply: asked(reply, protocol="pvc_judge", prompt_file=str(file))


def test_pvc_judge_is_shown_captions_and_images_in_the_authors_order(pvc):
    seen = []

    def reply(question):
        system, user = question.messages
        parts = [part if isinstance(part, str) else int(part.pixels().mean()) for part in user.parts]
        seen.append((system.role, system.parts, parts))
        first, second = levels(question)[1:]
        return f'```json\n{{\n    "winner": "Image {"A" if first > second else "B"}"\n}}\n```\n'

    metric = pvc(reply)
    assert metric(pair("x", 3, 1)).details["outcome"] == "win"
    text = 'Which kept more?\n\n```json\n{\n    "winner": "..."\n}\n```\n**Instruction:** make it bright\n'
    for role, system, parts in seen:
        assert (role, system) == ("system", ("You look at *all* that was kept.",))
        shown = [part for part in parts if isinstance(part, int)]
        assert parts == [f"{text}Original Image:", shown[0], "\n", "Image A:", shown[1], "\n", "Image B:", shown[2]]
    assert sorted([part for part in parts if isinstance(part, int)] for _, _, parts in seen) == [
        [10, 90, 250], [10, 250, 90]
    ]  # fmt: skip
    assert list(metric.identity()["prompts"]) == ["sha256"]


def test_pvc_judges_images_have_at_most_1024_pixels_a_side(pvc):
    from PIL import Image

    wide = np.random.default_rng(0).integers(0, 256, (4, 2048, 3), np.uint8)
    sample = Sample("x", source=wide, edited=GREY[1], rival=GREY[2], prompt="x")
    metric = pvc(brighter)
    metric.load()
    scaled = Image.fromarray(wide)
    scaled.thumbnail((1024, 1024))
    for question in metric.prepare(sample).values():
        np.testing.assert_array_equal(question.images()[0].pixels(), np.asarray(scaled))
        assert [image.pixels().shape for image in question.images()[1:]] == [(8, 8, 3)] * 2


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ('{"winner": "Image A"}', "inconsistent"),
        ('{"winner": "image_b"}', "inconsistent"),
        ('{"winner": "Tie"}', "tie"),
        ('{"winner": "none"}', None),  # the authors' client calls it a tie, and "both", too
        ('{"winner": "Image C"}', None),
        ('{"winner": "Image A or Image B"}', None),
        ('{"winner": "Image A"} {"winner": "Image B"}', None),  # the first, to the authors' client
        ('{"winner": "Image A', None),
        ('{"winner": null}', None),
        ("Image A", None),
    ],
)
def test_pvc_judges_answer_says_what_it_states_and_no_more(pvc, answer, outcome):
    result = pvc(lambda question: answer).score([pair("x", 3, 1)])[0]
    assert result.details.get("outcome") == outcome
    assert (result.status, dict(result) == {}) == (("unparseable", True) if outcome is None else ("ok", False))


T2I = {
    "unified_reward_t2i": "8a00faf98b05ad09450edd0e65d4f63b7ab2d14fe1ef046932529aefeddc4450",
    "unified_reward_think": "0e1dd975e9fd81cfe29600e03db8f2adc36e03f6fdbfedea8c83e896f329e17d",
    "unified_reward_flex": "25968e14776d0c4b72f33a9f1da78cbb095cea8468a82c416198a1ca7605215a",
}
"""The SHA-256 of each question as UnifiedReward's code (ff6f520) writes it about the prompt "<instruction>"."""


@pytest.mark.parametrize("protocol", T2I)
def test_two_images_of_one_prompt_are_shown_without_a_source(protocol):
    import hashlib

    assert hashlib.sha256(PROTOCOLS[protocol].prompt.encode()).hexdigest() == T2I[protocol]
    seen = []

    def reply(question):
        (message,) = question.messages
        seen.append(message.parts[-1])
        first, second = levels(question)
        number = 1 if first > second else 2
        return {
            "unified_reward_t2i": f"The first is not dark, so Image {number} is better.",
            "unified_reward_think": f"<think>Image 1 (9/10)</think>\n<answer>Image {number} is better</answer>",
            "unified_reward_flex": json.dumps({"categories": [{"cat_winner": "Image 1"}], "reason": "light",
                                               "winner": f"Image {number}"}),
        }[protocol]  # fmt: skip

    metric = asked(reply, protocol=protocol)
    assert metric.required() == {"edited", "rival", "prompt"}
    assert metric(Sample("x", edited=GREY[3], rival=GREY[1], prompt="a lamp")).details["outcome"] == "win"
    assert all("a lamp" in text and "<instruction>" not in text for text in seen)
    assert "source" in asked(reply, protocol="unified_reward").required()


@pytest.mark.parametrize(
    ("protocol", "answer", "outcome"),
    [
        ("unified_reward_t2i", "Both images are equally good.", "tie"),
        ("unified_reward_t2i", "Both images are equally good, but Image 1 is better lit.", None),
        ("unified_reward_t2i", "Image 1 is better. Image 2 is better.", None),
        ("unified_reward_t2i", "I do not think that Image 1 is better than Image 2.", None),
        ("unified_reward_t2i", "It's hard to say whether Image 1 is better.", None),
        ("unified_reward_think", "Image 1 is better", None),
        ("unified_reward_think", "<think>...</think><answer>Image 1 is better than 2</answer>", None),
        ("unified_reward_think", "<answer>Image 1 is better</answer><answer>Image 2 is better</answer>", None),
        ("unified_reward_think", "<think>Image 1 is better", None),
        ("unified_reward_flex", '{"winner": "Image 1/2"}', None),
        ("unified_reward_flex", '{"categories": [{"cat_winner": "Image 1"}], "reason": ""}', None),
        ("unified_reward_flex", '{"winner": "Image 1", "reason": "cut', None),
        ("unified_reward_flex", "I'm sorry, but I can't assist with that.", None),
    ],
)
def test_a_winner_is_named_once_and_in_the_form_asked_for(protocol, answer, outcome):
    result = asked(lambda question: answer, protocol=protocol).score([pair("x", 3, 1)])[0]
    assert result.details.get("outcome") == outcome
    assert result.ok == (outcome is not None)


def test_an_adapter_on_its_base_answers_as_the_merged_model_does(tmp_path):
    """As PVC-Judge's: the authors merge it into the weights (`scripts/merge_lora.py`); here it may be by itself."""
    import shutil

    from safetensors.torch import load_file, save_file

    from editmetrics import weights
    from editmetrics.mllm.lora import LoraError
    from editmetrics.options import OptionError
    from editmetrics.testing import tiny_backbone
    from tests.mllm.test_peft_folders import adapter_of, read_peft_folder

    base = tiny_backbone("qwen3_vl", tmp_path / "base")
    path = "model.language_model.layers.3.mlp.up_proj"
    adapter = adapter_of(tmp_path / "adapter", {path: (64, 128)})
    merged = shutil.copytree(base, tmp_path / "merged")
    tensors = load_file(merged / "model.safetensors")
    (matrix,) = read_peft_folder(adapter).values()
    tensors[f"{path}.weight"] += matrix.up @ matrix.down
    save_file(tensors, merged / "model.safetensors", metadata={"format": "pt"})

    def texts(**options):
        metric = create_metric("pair_judge", max_tokens=8, cache=False, **options)
        metric.to("cpu").load()
        questions = metric.prepare(pair("x", 3, 1)).values()
        return metric, [metric.judge.ask(question).text for question in questions]

    adapted, answers = texts(backbone=str(base), adapter=str(adapter))
    assert answers == texts(backbone=str(merged))[1] != texts(backbone=str(base))[1]
    identity = adapted.identity()
    assert set(identity["judge"]["backbone"]["adapter"]) == {"adapter_config.json", "adapter_model.safetensors"}
    assert str(tmp_path / "adapter") not in str(identity)
    with weights.substitute("pvc_judge", adapter):
        published, same = texts(backbone=str(base), adapter="pvc_judge")
    assert (published.checkpoints(), same) == (("pvc_judge",), answers)
    with pytest.raises(OptionError, match="requires the model that it was trained on"):
        create_metric("pair_judge", adapter="pvc_judge")
    with pytest.raises(LoraError, match=r"has no adapter_config.json"):
        texts(backbone=str(base), adapter=str(base))
    vision = adapter_of(tmp_path / "tower", {"model.visual.blocks.9.attn.qkv": (64, 192)})
    with pytest.raises(LoraError, match=r"fits no layer of qwen3_vl: .*blocks"):
        texts(backbone=str(base), adapter=str(vision))
