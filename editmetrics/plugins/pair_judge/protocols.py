"""Protocols of judging a pair: what a chat model is shown in which order, and how its answer is read."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...bases.pair import Preference
from ...bases.pair_judge import chosen
from .prompts import UNIFIED_REWARD

if TYPE_CHECKING:
    from ...judge import Answer, Encoding, Question
    from ...sample import Sample


@dataclass(frozen=True)
class OfficialPrompt:
    """A prompt that may not be shipped: the file of the authors' repository that holds it, and the text's SHA-256."""

    repository: str
    commit: str
    file: str
    key: str
    sha256: str
    licence: str

    def read(self, path: str) -> str:
        """Return the text from the user's copy of the file. Raises `DataError` for another text, or no such file."""
        from ...files.official_copies import official_text
        from ...files.text import DataError

        try:
            data = Path(path).expanduser().read_bytes()
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error.strerror}); expected {self.wanted}") from error
        return official_text(self.file, data, self.key, self.sha256, self.wanted)

    @property
    def wanted(self) -> str:
        return f"{self.file} of https://github.com/{self.repository} at commit {self.commit[:12]} ({self.licence})"


@dataclass(frozen=True)
class PairProtocol:
    """A published way to judge a pair.

    - `prompt`: its text, in which <instruction> stands for the instruction, or where it is.
    - `message`: the parts of the message in their order, from the text and one order of the sample.
    - `read`: an answer as a preference for the edit shown first.
    """

    prompt: str | OfficialPrompt
    message: Callable[[str, Sample], Sequence[Any]]
    read: Callable[[Answer], Preference]

    def text(self, path: str | None) -> str:
        """Return the text of the prompt; `path` is the user's copy of a file that may not be shipped."""
        if isinstance(self.prompt, str):
            return self.prompt
        return self.prompt.read(path or "")

    def question(self, text: str, sample: Sample) -> Question:
        """Return the question of one order."""
        from ...judge import Message, Question

        return Question((Message("user", tuple(self.message(text, sample))),))


def _labelled(*before_source: str) -> Callable[[str, Sample], Sequence[Any]]:
    """Text, instruction and source, then each response under its label: MMRB2's order, and GenArena's."""

    def message(text: str, sample: Sample) -> Sequence[Any]:
        from ...judge import Image

        return [
            text, "[ORIGINAL PROMPT TO MODEL:]", sample.prompt or "", *before_source, Image(sample.source),
            "[RESPONSE A:]", Image(sample.edited), "[RESPONSE B:]", Image(sample.rival),
        ]  # fmt: skip

    return message


def _images_first(text: str, sample: Sample) -> Sequence[Any]:
    """Source and both edits as JPEG, then the text: UnifiedReward-Edit's order."""
    from ...judge import Encoding, Image

    jpeg: Encoding = Encoding("jpeg", quality=95, subsampling="4:2:0")
    images = [Image(image, jpeg) for image in (sample.source, sample.edited, sample.rival)]
    return [*images, text.replace("<instruction>", sample.prompt or "")]


def _better_response(answer: Answer) -> Preference:
    """Read {"better_response": "A" or "B", "reasoning": {...}, ...}; the score and the confidence are not used."""
    from ...judge import read_json

    parsed = read_json(answer, _rubric())
    reasoning = parsed.value.reasoning
    text = str(reasoning.get("comparison_summary", "")) if isinstance(reasoning, dict) else reasoning
    return Preference(chosen(parsed.value.better_response), text)


@cache
def _rubric() -> Any:
    from pydantic import create_model

    letter: Any = Literal["A", "B"]
    reasons: Any = dict[str, Any] | str
    return create_model("Rubric", better_response=(letter, ...), reasoning=(reasons, ""))


_BETTER = re.compile(
    r"\bimage\s*([12])\W{0,6}\s*(?:is|was)\s+(?:(?!(?:not|no|never|hardly|neither)\b)\w+\s+)?better\b", re.IGNORECASE
)


def _better_image(answer: Answer) -> Preference:
    """Read "Image 1 is better than Image 2" in a text that names one winner."""
    from ...judge.answers import unreadable, whole_text

    text = whole_text(answer)
    winners = set(_BETTER.findall(text))
    if len(winners) != 1:
        unreadable(answer, "expected one of 'Image 1 is better' and 'Image 2 is better'")
    return Preference(1.0 if winners == {"1"} else -1.0, text)


MMRB2 = OfficialPrompt(
    "facebookresearch/MMRB2",
    "7ff0552cf298441af5ebbabea634b682ef04afee",
    "evaluate/generate_judgements/evaluator_apis/llm_judges/evaluation_prompts.py",
    "get_image_edit_prompt",
    "2f40aae8c2805d275d6ac46b22537d493d4c476411e6765c806e88044155052d",
    "CC BY-NC 4.0",
)
GENARENA = OfficialPrompt(
    "ruihanglix/genarena",
    "dd09b86b6fb4801b5fab5d16c23ae9745f510534",
    "genarena/prompts/mmrb2.py",
    "PROMPT_TEXT",
    "423ee2cf46bca6264baf79790aff367bee572139e42712a980598bca2e766dc6",
    "Apache-2.0 as a whole; this text is MMRB2's, CC BY-NC 4.0",
)

PROTOCOLS = {
    "genarena": PairProtocol(GENARENA, _labelled("[INPUT IMAGE FROM PROMPT:]"), _better_response),
    "mmrb2": PairProtocol(MMRB2, _labelled(), _better_response),
    "unified_reward": PairProtocol(UNIFIED_REWARD, _images_first, _better_image),
}
"""The published protocols by name; the project's own is in `metric.py`."""
