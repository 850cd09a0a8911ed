"""GenEval 2: known logits, transformers' own generation, and what the official analysis makes of the same answers."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from editmetrics import Sample
from editmetrics.scoring.suite_results import suite_result
from editmetrics.scoring.suite_runs import SuiteRun
from editmetrics.suites import SUITES, SuiteError
from editmetrics.suites.aggregation import SuiteRow, filled_table
from editmetrics.suites.geneval2 import DATA, questions_of, spellings
from editmetrics.suites.judged import suite_metric
from editmetrics.testing import tiny_backbone

from . import made_up_rows

OFFICIAL = json.loads(Path(__file__).with_name("official_t2i.json").read_text(encoding="utf-8"))["geneval2"]
ROWS = made_up_rows.geneval2_rows()
SUITE = SUITES["geneval2"]


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A copy of the repository with made-up rows, whose checksum the suite takes for the benchmark's."""
    data = made_up_rows.json_lines(ROWS)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / DATA).write_bytes(data)
    monkeypatch.setitem(SUITE.source.files, DATA, hashlib.sha256(data).hexdigest())
    monkeypatch.setattr("editmetrics.suites.geneval2.text_of", lambda *_: "{} Say it in a word.")
    return tmp_path / "copy"


class KnownLogits:
    """A backbone whose next token has the logits of `tables`, by question; a token is a text."""

    name = "known"
    tokenizer = SimpleNamespace(decode=lambda tokens: KnownLogits.TOKENS[tokens[0]])
    TOKENS = ("Yes", "yes", " ", "four", "Four", " Four", "4", "other", "No")

    def __init__(self, tables):
        self.tables = tables

    def identity(self):
        return {"sha256": "0"}

    def see(self, image):
        return image.shape

    def prompt(self, chat, pictures):
        return chat[0][1][1]

    def next_logits(self, prompts):
        return torch.stack([self.tables[prompt] for prompt in prompts])

    def tokens(self, text):
        first = next((token for token in self.TOKENS if token != " " and text.startswith(token)), " ")
        return [self.TOKENS.index(first), 0]


def scored(backbone, samples, repository):
    metric = suite_metric(f"geneval2:repository={repository}")
    metric._backbone = backbone
    return metric.score(samples)


def test_a_probability_is_the_sum_over_the_first_tokens_of_the_spellings(repository):
    """Of "four": four, Four, the space of " four" and of " 4" (twice), " Four", and 4; nothing is counted once only."""
    row = ROWS[2]
    tables = {}
    for number, (question, _) in enumerate(row["vqa_list"]):
        weights = torch.arange(1.0, 10) + number
        tables[f"{question} Say it in a word."] = weights.log() + 3  # a constant changes nothing
    score, stranger = scored(
        KnownLogits(tables),
        [
            Sample("a", edited=np.zeros((8, 8, 3), np.uint8), prompt="prompt 2"),
            Sample("b", edited=np.zeros((8, 8, 3), np.uint8), prompt="Prompt 2"),
        ],
        repository,
    )
    total = sum(range(1, 10))
    yes = [(1 + 2 + 2 * 3 + 4 * n) / (total + 9 * n) for n in range(1, 5)]
    expected = [(4 + 5 + 3 + 6 + 7 + 3) / total, *yes]
    assert score.details["probabilities"] == pytest.approx(expected)
    assert score["AM"] == pytest.approx(sum(expected) / 5)
    assert score["GM"] == pytest.approx(math.prod(expected) ** 0.2)
    assert score["TIFA"] == 0  # the likeliest token is No
    assert score.details["ratios"]["count"] == pytest.approx((expected[0], 1))
    assert score.details["fields"] == {"atoms": "4"}
    assert (stranger.status, "has no such prompt" in stranger.reason) == ("skipped", True)


def test_it_counts_the_spellings_that_the_script_counts():
    for answers, (question, answer) in zip(OFFICIAL["spellings"], ROWS[2]["vqa_list"], strict=False):
        assert list(spellings(question, answer)) == answers


def test_its_tables_are_those_of_the_official_analysis(repository):
    lists = made_up_rows.probabilities(ROWS)
    metric = suite_metric(f"geneval2:repository={repository}")
    metric._backbone = KnownLogits({})
    questions = questions_of((repository / DATA).read_bytes())
    samples = [Sample(row["prompt"], edited=b"", prompt=row["prompt"]) for row in ROWS]
    scores = [
        metric._score(questions[row["prompt"]], own, [True] * len(own)) for row, own in zip(ROWS, lists, strict=True)
    ]
    results = made_up_rows.Results(samples, scores)
    main, skills, atoms = suite_result(SuiteRun(SUITE, (metric,)), results).tables
    assert [cell.value for cell in main.lines[0].cells] == pytest.approx(
        [OFFICIAL["soft_tifa_am"], OFFICIAL["soft_tifa_gm"], 100]
    )
    assert [cell.value for cell in skills.lines[0].cells] == pytest.approx(OFFICIAL["skills"])
    assert {line.block.heading: line.cells[0].value for line in atoms.lines} == pytest.approx(OFFICIAL["atoms"])


@torch.no_grad()
def test_it_agrees_with_the_generation_of_transformers(repository, tmp_path):
    """As the script does it: one token is generated greedily, and the softmax of its scores is summed."""
    from editmetrics.mllm.backbone import Backbone

    folder = tiny_backbone("qwen3_vl", tmp_path / "tiny")
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    picture = Image.fromarray(image)
    metric = suite_metric(f"geneval2:repository={repository},backbone={folder}", device="cpu")
    (score,) = metric.score([Sample("a", edited=picture, prompt="prompt 2")])
    backbone = Backbone.load(folder, device="cpu")
    expected, hits = [], []
    for question, answer in ROWS[2]["vqa_list"]:
        parts = [{"type": "image", "image": picture}, {"type": "text", "text": f"{question} Say it in a word."}]
        inputs = backbone.processor.apply_chat_template(
            [{"role": "user", "content": parts}], tokenize=True, add_generation_prompt=True, return_dict=True,
            return_tensors="pt",
        )  # fmt: skip
        made = backbone.model.generate(
            **inputs, max_new_tokens=1, do_sample=False, output_scores=True, return_dict_in_generate=True
        )
        chances = made.scores[0].softmax(-1)[0]
        texts = spellings(question, answer)
        expected.append(sum(chances[backbone.tokenizer.encode(text)[0]].item() for text in texts))
        hits.append(backbone.processor.batch_decode([chances.argmax()])[0].lower() in texts)
    assert score.details["probabilities"] == pytest.approx(expected, rel=1e-4)
    assert score["TIFA"] == np.mean(hits)
    assert metric.identity()["suite_data"] == {DATA: SUITE.source.files[DATA]}
    assert [one.point for one in metric.option_differences()] == ["the model"]


def test_another_version_of_the_data_is_refused(tmp_path):
    (tmp_path / "evaluation.py").write_text("def soft_tifa(): ...")
    with pytest.raises(SuiteError, match="is not the version"):
        suite_metric(f"geneval2:repository={tmp_path}").load()
    with pytest.raises(SuiteError, match=r"git -C FOLDER checkout a6e82d2"):
        suite_metric("geneval2").load()


def test_a_pooled_column_without_any_number_is_empty():

    rows = [SuiteRow({}, {"GM": 0.5, "AM": 0.5, "TIFA": 1}, ratios={"count": (1.5, 2), "verb": (0, 0)})]
    cells = filled_table(SUITE, SUITE.tables[1], {None: rows}).lines[0].cells
    assert [(cell.value, cell.n) for cell in cells] == [(None, 0), (None, 0), (75, 1), (None, 0), (None, 0)]
