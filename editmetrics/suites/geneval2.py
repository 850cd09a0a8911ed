"""The suite of GenEval 2: probabilities of the answers' first tokens (Soft-TIFA), by skill and by number of atoms."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from ..bases.backbone_metric import BackboneMetric
from ..judge import Encoding
from ..metric import pick_device
from ..sample import Dimension, EditMetricsError, Sample, SampleError, Score
from .definition import (
    Ask,
    PromptText,
    ProtocolDifference,
    RowBlock,
    Sampling,
    Show,
    Suite,
    SuiteColumn,
    SuiteJudge,
    SuiteSource,
    TableLayout,
)
from .of_suite import OfSuite, with_its_row
from .prompt_files import file_of, text_of

if TYPE_CHECKING:
    from ..mllm.backbone import Backbone, Prompt

DATA = "geneval2_data.jsonl"
SKILLS = ("object", "attribute", "count", "position", "verb")
ATOMS = tuple(map(str, range(3, 11)))
NUMBERS = dict(
    zip(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
        map(str, range(1, 11)),
        strict=True,
    )
)
QUESTION = PromptText(
    "question",
    "e04ecd761296510b69505c1b861c8354ef75e91cec3b198a43646f3375c258ef",
    {"{}": "one of the row's questions"},
    file="evaluation.py",
    key="soft_tifa",
)


@dataclass(frozen=True)
class AtomQuestions:
    """The questions of one prompt, each with its answer and its skill, and the prompt's number of atoms."""

    questions: tuple[str, ...]
    answers: tuple[str, ...]
    skills: tuple[str, ...]
    atoms: int


def spellings(question: str, answer: str) -> tuple[str, ...]:
    """Return the texts that count as the answer to a question, as the published script lists them.

    >>> spellings("How many pigs are in the image?", "four")
    ('four', 'Four', ' four', ' Four', '4', ' 4')
    """
    if not question.startswith("How many"):
        return ("Yes", "yes", " yes", " Yes")
    digit = NUMBERS.get(answer, "other")
    return (answer, answer.capitalize(), f" {answer}", f" {answer.capitalize()}", digit, f" {digit}")


def soft_tifa(probabilities: Sequence[float]) -> dict[str, float]:
    """Return the arithmetic mean (AM) and the geometric mean (GM) of the probabilities of one prompt's answers.

    AM = sum(p) / n and GM = prod(p) ** (1 / n), 0 where a probability is 0. Kamath et al., arXiv:2512.16853.

    >>> soft_tifa([0.5, 1.0, 0.25])["GM"]
    0.5
    """
    from scipy.stats import gmean

    geometric = float(gmean(probabilities)) if min(probabilities) > 0 else 0.0
    return {"GM": geometric, "AM": fmean(probabilities)}


class SoftTIFA(OfSuite, BackboneMetric):
    """Soft-TIFA of an image and its prompt: how probable the right answers to the prompt's questions are, 0 to 1.

    A vision-language model is shown the image and asked each question of the prompt; the probability of an answer is
    the sum over its spellings of the probability that the model's answer begins with their first token. `details` has
    the `probabilities`, in the questions' order.

    Options:
        suite: The suite's name.
        judged_by: The judge, by its short name; by default the first.
        repository: Your copy of the official repository, which has the questions.

    Source: Kamath et al., GenEval 2, 2025, arXiv:2512.16853.

    >>> from editmetrics.suites.judged import suite_metric
    >>> metric = suite_metric("geneval2:repository=GenEval2")
    >>> metric.label, [dimension.name for dimension in metric.dimensions]
    ('geneval2_Qwen', ['GM', 'AM', 'TIFA'])
    """

    name, version = "soft_tifa", 1
    title = "GenEval 2's questions about an image (Soft-TIFA)"
    needs = frozenset({"edited", "prompt"})
    dimensions = (Dimension("score", primary=True),)

    BACKBONE = "Qwen/Qwen3-VL-8B-Instruct"
    IMAGE_TOKENS = 16384  # the checkpoint's own limit

    def __init__(self, *, suite: str, judged_by: str = "", repository: str | None = None, **shared: Any) -> None:
        super().__init__(**shared)
        self._belong_to(suite, judged_by, repository)
        self.model = self.backbone or self.BACKBONE
        self._backbone: Backbone | None = None
        self._rows: dict[str, AtomQuestions] = {}
        self._template = ""

    def identity(self) -> dict[str, Any]:
        unknown = {"model": self.model, "revision": self.revision, "sha256": "unknown until loaded"}
        loaded = self._backbone.identity() if self._backbone else unknown
        return {**super().identity(), "backbone": loaded}

    def load(self) -> None:
        self.device = pick_device(self.device)
        self._template = text_of(self.definition, QUESTION, self.repository)
        self.row_keys()
        if self._backbone is None:
            self._backbone = self.load_backbone()

    def row_key(self, sample: Sample) -> str:
        return (sample.prompt or "").strip()

    def row_keys(self) -> dict[str, str]:
        if not self._rows:
            self._rows = questions_of(file_of(self.definition, DATA, self.repository))
        return dict.fromkeys(self._rows, "")

    def unload(self) -> None:
        self._backbone = None

    def prepare(self, sample: Sample) -> tuple[AtomQuestions, list[Prompt]]:
        """Return the questions of the sample's prompt, and as the backbone takes them, about one picture."""
        from ..images import eight_bits, read_image
        from ..mllm.backbone import IMAGE

        backbone = self._loaded()
        if (row := self._rows.get(self.row_key(sample))) is None:
            raise SampleError(
                f"GenEval 2 has no such prompt, and its questions are known by their prompt: {sample.prompt!r}",
                "skipped",
            )
        picture = backbone.see(eight_bits(read_image(sample.edited)))
        texts = [self._template.replace("{}", question) for question in row.questions]
        return row, [backbone.prompt([("user", [IMAGE, text])], [picture]) for text in texts]

    def score_batch(self, batch: list[tuple[AtomQuestions, list[Prompt]]]) -> list[Score]:
        backbone = self._loaded()
        chances = backbone.next_logits([prompt for _, prompts in batch for prompt in prompts]).softmax(-1).cpu()
        likeliest = [backbone.tokenizer.decode([token]) for token in chances.argmax(-1).tolist()]
        scores, start = [], 0
        for row, prompts in batch:
            stop = start + len(prompts)
            texts = [spellings(*pair) for pair in zip(row.questions, row.answers, strict=True)]
            first = [[backbone.tokens(text)[0] for text in own] for own in texts]
            probabilities = [chances[start + n, own].double().sum().item() for n, own in enumerate(first)]
            hits = [word.lower() in own for word, own in zip(likeliest[start:stop], texts, strict=True)]
            scores.append(self._score(row, probabilities, hits))
            start = stop
        return scores

    def batch_key(self, prepared: tuple[AtomQuestions, list[Prompt]]) -> int:
        from ..mllm.prompts import length_class

        return length_class(prepared[1])

    def option_differences(self) -> Iterator[ProtocolDifference]:
        if self.model != self.protocol.published:
            yield ProtocolDifference("the model", self.protocol.published, self.model, "other numbers")
        if self.image_tokens:
            yield ProtocolDifference("tokens of an image", "the model's own limit", f"at most {self.image_tokens}")
        if self.dtype not in ("auto", "bfloat16"):
            yield ProtocolDifference("the model's numbers", "bfloat16", self.dtype, "the third digit of a probability")

    def _score(self, row: AtomQuestions, probabilities: Sequence[float], hits: Sequence[bool]) -> Score:
        ratios = {
            skill: (
                sum(p for p, own in zip(probabilities, row.skills, strict=True) if own == skill),
                row.skills.count(skill),
            )
            for skill in SKILLS
        }
        details = {
            "probabilities": list(probabilities),
            "ratios": ratios,
            "fields": {"atoms": str(row.atoms)},
            "served": {self._loaded().name: len(probabilities)},
        }
        return Score({**soft_tifa(probabilities), "TIFA": fmean(hits)}, details=details)

    def _loaded(self) -> Backbone:
        if self._backbone is None:
            raise EditMetricsError("geneval2 prepares samples with its backbone: load() it first")
        return self._backbone


def questions_of(data: bytes) -> dict[str, AtomQuestions]:
    """Return the questions of each prompt in the benchmark's file of JSON lines."""
    rows: dict[str, AtomQuestions] = {}
    for line in data.decode().splitlines():
        row: Mapping[str, Any] = json.loads(line)
        questions, answers = zip(*row["vqa_list"], strict=True)
        rows[row["prompt"]] = AtomQuestions(questions, answers, tuple(row["skills"]), row["atom_count"])
    return rows


SUITE = Suite(
    name="geneval2",
    about="GenEval 2's table: Soft-TIFA of 800 prompts, as the mean over prompts of the arithmetic (AM) and of the "
    "geometric mean (GM) of the probabilities of their answers; TIFA counts right answers. The edited image is the "
    "generated one, and its prompt is the benchmark's, by which its questions are known.",
    source=SuiteSource(
        "Kamath et al., GenEval 2, 2025, arXiv:2512.16853",
        "facebookresearch/GenEval2",
        "a6e82d2289e8d418f27f0adee77908b07060eea3",
        {
            DATA: "09233adbc9f877fba205f1a20efa4a8640e7e62a91dfd55893562bed8a928e43",
            "evaluation.py": "90791e35321a1a2bf65366517dd60f39037f90435490eb122c0027b52d42cda9",
            "soft_tifa_analysis.py": "def0ca5175640fe24fc4a72825fafcf2ef51a9682f11e701244a381341a0c8bc",
        },
        code_licence="CC BY-NC 4.0",
        prompt_licence="CC BY-NC 4.0",
        data_licence="CC BY-NC 4.0",
        read_on="2026-11-30",
    ),
    needs=frozenset({"edited", "prompt"}),
    judges=(
        SuiteJudge(
            "Qwen",
            "Qwen3-VL-8B on this machine",
            "Qwen/Qwen3-VL-8B-Instruct",
            "Qwen/Qwen3-VL-8B-Instruct",
            (Ask("answers", (Show("edited", Encoding("bytes")), QUESTION), with_its_row, lambda text: None, 0, 1),),
            Sampling(temperature=0, max_tokens=1),
            weights="Qwen/Qwen3-VL-8B-Instruct",
            local=True,
            most=(6012, 6012),
        ),
    ),
    metric=SoftTIFA,
    values=(
        Dimension("GM", low=0, high=6, primary=True, description="geometric mean of the answers' probabilities"),
        Dimension("AM", low=0, high=6, description="arithmetic mean; over 1 where spellings share a first token"),
        Dimension("TIFA", low=0, high=1, description="share of right answers"),
    ),
    ratios=SKILLS,
    data=(DATA,),
    tables=(
        TableLayout(
            "",
            (
                SuiteColumn("Soft-TIFA AM", "AM", times=100, digits=2),
                SuiteColumn("Soft-TIFA GM", "GM", times=100, digits=2),
                SuiteColumn("TIFA", "TIFA", times=100, digits=2),
            ),
            (RowBlock("All", rows=800),),
        ),
        TableLayout(
            "By skill (AM over all questions)",
            tuple(SuiteColumn(skill.capitalize(), skill, times=100, digits=2, pooled=True) for skill in SKILLS),
            (RowBlock("All", rows=800),),
        ),
        TableLayout(
            "By number of atoms",
            (SuiteColumn("Soft-TIFA GM", "GM", times=100, digits=2),),
            tuple(RowBlock(number, {"atoms": (number,)}, 100) for number in ATOMS),
        ),
    ),
    rows=800,
    differences=(
        ProtocolDifference(
            "a missing image", "the script stops", "the table says how many of 800 rows it has", "none of all 800"
        ),
        ProtocolDifference(
            "reading an image",
            "by the processor, without transparency",
            "as all of this program reads images: transparency is laid on white",
            "none for images without transparency",
        ),
    ),
    unchecked="the model, and that its tokenizer splits ' 4' as Qwen's earlier ones do, into a space and a digit",
)
