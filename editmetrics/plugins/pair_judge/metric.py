"""The metric `pair_judge`: which of two edits is better, by a chat model, in both orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ...bases.pair import Preference
from ...bases.pair_judge import OVERALL, PairJudgeMetric, chosen
from ...checkpoints import is_registered
from ...options import OptionError
from ...sample import Dimension
from .prompts import ASPECTS, FORCED, OVERALL_QUESTION, SHOWN, WITH_TIES

if TYPE_CHECKING:
    from ...judge import Answer, Question
    from ...judge.local import Generator
    from ...sample import Sample
    from .protocols import PairProtocol


class PairJudge(PairJudgeMetric):
    """Preference of a chat model between two edits of one source, -1 to 1; 1 where the edited image is better.

    The judge is shown the source, the edited image, its rival and the instruction, twice: with either edit first. The
    preference is the mean of both answers; `consistent` is 1 where they agree. The outcome is kept with the score:
    `win`, `loss`, `tie`, or `inconsistent` where the answer changed with the order. The judge's reasons are the score's
    `explanation`. `editmetrics arena` asks it about systems, and turns outcomes into ratings.

    A refusal or an unreadable answer gives no number, also where the other order was answered. With several rounds
    preference and consistency are means, and `uncertainty` their standard deviation.

    Protocols: `editmetrics` is this project's question. `genarena` and `mmrb2` are published prompts under a licence
    that forbids commercial use; they are read from your copy (`prompt_file`), by checksum. GenArena asks at temperature
    0 (`temperature=0`), and counts contradicting orders as ties, as `editmetrics arena --inconsistent tie` does.
    `unified_reward` is the pairwise ranking of UnifiedReward-Edit, with JPEG images, for its own checkpoints behind an
    endpoint. `unified_reward_t2i` (UnifiedReward-2.0), `unified_reward_think` and `unified_reward_flex` show no source:
    they compare two images of one prompt, which describes them. `pvc_judge` asks PVC-Judge which edit keeps better what
    should not change; it may answer "Tie". Its prompt has no licence, and is read from your copy, too.
    docs/assessors.md tells how to run these checkpoints. To compare two VIEScores, let `editmetrics arena` score with
    `vie_score`: single scores give pairs, too.

    The texts and the images leave this machine, to the endpoint. See docs/arena.md and docs/judge.md.

    Options:
        protocol: Whose question is asked: editmetrics, genarena, mmrb2, pvc_judge, or unified_reward and its kin.
        about: Ask one question about the whole edit, or one for each of instruction, preservation and quality.
        ties: Allow the answer "tie"; otherwise the judge must choose.
        prompt_file: Your copy of the file that holds the prompt of genarena, mmrb2 or pvc_judge.
        adapter: A peft adapter on the model that `backbone` names: a folder, or pvc_judge, the published one.

    Source: both orders, and forced choice, as in GenArena, 2026, arXiv:2602.06013, and MMRB2, 2025.

    >>> metric = PairJudge(about="aspects")
    >>> [dimension.name for dimension in metric.dimensions]
    ['preference', 'consistent', 'instruction', 'preservation', 'quality']
    """

    name, version = "pair_judge", 1
    title = "which of two edits is better"
    needs = frozenset({"edited", "rival", "prompt"})
    uses = frozenset({"source"})
    dimensions = (
        *PairJudgeMetric.dimensions,
        *(
            Dimension(aspect, low=-1, high=1, description=f"preference by {aspect} alone", optional=True)
            for aspect in ASPECTS
        ),
    )
    paper = "both orders and forced choice as in GenArena, 2026, arXiv:2602.06013; own question"
    licence = "this code and its question: Apache-2.0; unified_reward's: MIT; the judge's terms are its provider's"
    prompts = (SHOWN, OVERALL_QUESTION, *ASPECTS.values(), FORCED, WITH_TIES)
    runtime_options = PairJudgeMetric.runtime_options | {"prompt_file", "adapter"}
    """Of both the checksum stands in the identity; where they lie changes no number."""

    def __init__(
        self,
        *,
        protocol: Literal[
            "editmetrics",
            "genarena",
            "mmrb2",
            "pvc_judge",
            "unified_reward",
            "unified_reward_t2i",
            "unified_reward_think",
            "unified_reward_flex",
        ] = "editmetrics",
        about: Literal["overall", "aspects"] = "overall",
        ties: bool = False,
        prompt_file: str | None = None,
        adapter: str | None = None,
        **shared: Any,
    ) -> None:
        super().__init__(**shared)
        self.protocol, self.about, self.ties, self.prompt_file = protocol, about, ties, prompt_file
        self.adapter = adapter
        if adapter is not None and self.backbone is None:
            raise OptionError(
                f"{self.name}: adapter={adapter} requires the model that it was trained on: backbone=ID or FOLDER"
            )
        self._text: str | None = None

    def active_dimensions(self) -> tuple[Dimension, ...]:
        return type(self).dimensions if self.about == "aspects" else PairJudgeMetric.dimensions

    def required(self) -> frozenset[str]:
        """Return the fields that the protocol shows: without the source where two images of one prompt are compared."""
        published = self._published
        return self.needs if published is not None and not published.source else self.needs | {"source"}

    def aspects(self) -> Sequence[str]:
        return tuple(ASPECTS) if self.about == "aspects" else (OVERALL,)

    def identity(self) -> dict[str, Any]:
        """Add the text of a published protocol, or its checksum where it is not shipped."""
        published = self._published
        if published is None:
            return super().identity()
        prompt = published.prompt
        return {**super().identity(), "prompts": prompt if isinstance(prompt, str) else {"sha256": prompt.sha256}}

    def checkpoints(self) -> tuple[str, ...]:
        return (self.adapter,) if self.adapter and is_registered(self.adapter) else ()

    def local_model(self) -> Generator:
        """Load the backbone, and the adapter on it where the option names one. Raises `LoraError` for another base."""
        from ...conventions.adapted import AdaptedBackbone

        backbone: Any = super().local_model()
        return AdaptedBackbone(backbone, self.adapter, self.hub_model()) if self.adapter else backbone

    def load(self) -> None:
        """Open the judge. Raises `JudgeError` for options that contradict each other, or a prompt that is missing."""
        published = self._published
        if published is not None:
            self._check(published)
            self._text = published.text(self.prompt_file)
        super().load()

    def ask(self, aspect: str, sample: Sample) -> Question:
        from ...judge import Question

        if self._published is not None:
            return self._published.question(self._text or "", sample)
        asked = OVERALL_QUESTION if aspect == OVERALL else ASPECTS[aspect]
        text = SHOWN.replace("<instruction>", sample.prompt or "") + asked
        text += WITH_TIES if self.ties else FORCED
        return Question.of(text, [sample.source, sample.edited, sample.rival], schema=self._schema)

    def choose(self, aspect: str, answer: Answer) -> Preference:
        from ...judge import read_json

        if self._published is not None:
            return self._published.read(answer)
        parsed = read_json(answer, self._schema)
        return Preference(chosen(parsed.value["winner"]), parsed.value["why"])

    @property
    def _schema(self) -> dict[str, Any]:
        return {"why": str, "winner": ["A", "B", *["tie"] * self.ties]}

    @property
    def _published(self) -> PairProtocol | None:
        from .protocols import PROTOCOLS

        return PROTOCOLS.get(self.protocol)

    def _check(self, published: PairProtocol) -> None:
        from ...judge import JudgeError

        if self.about != "overall" or self.ties:
            raise JudgeError(f"protocol={self.protocol} asks its authors' one question; leave out about= and ties=")
        if not isinstance(published.prompt, str) and self.prompt_file is None:
            raise JudgeError(
                f"protocol={self.protocol}: its prompt is not shipped; name your copy of {published.prompt.wanted}: "
                f"{self.name}:protocol={self.protocol},prompt_file=PATH"
            )
