"""Protocols of judging a pair: what a chat model is shown in which order, and how its answer is read."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ...bases.pair import Preference
from ...bases.pair_judge import chosen
from .prompts import UNIFIED_REWARD
from .t2i_prompts import FLEX, RANK, THINK

if TYPE_CHECKING:
    from ...judge import Answer, Encoding, Image, Message, Question
    from ...sample import Sample


@dataclass(frozen=True)
class OfficialPrompt:
    """A prompt that may not be shipped: the file of the authors' repository that holds it, and the text's SHA-256.

    `key` names the text in the file; None is the file as a whole.
    """

    repository: str
    commit: str
    file: str
    key: str | None
    sha256: str
    licence: str

    def read(self, path: str) -> str:
        """Return the text from the user's copy of the file. Raises `DataError` for another text, or no such file."""
        from ...files.official_copies import official_text, read_official_file
        from ...files.text import DataError

        file = Path(path).expanduser()
        if self.key is None:
            return read_official_file(str(file.parent), file.name, self.sha256, self.wanted).decode()
        try:
            data = file.read_bytes()
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
    - `messages`: the turns of the question, from the text and one order of the sample.
    - `read`: an answer as a preference for the edit shown first.
    - `source`: whether the source is shown; without it two images of one prompt are compared.
    """

    prompt: str | OfficialPrompt
    messages: Callable[[str, Sample], Sequence[Message]]
    read: Callable[[Answer], Preference]
    source: bool = True

    def text(self, path: str | None) -> str:
        """Return the text of the prompt; `path` is the user's copy of a file that may not be shipped."""
        if isinstance(self.prompt, str):
            return self.prompt
        return self.prompt.read(path or "")

    def question(self, text: str, sample: Sample) -> Question:
        """Return the question of one order."""
        from ...judge import Question

        return Question(tuple(self.messages(text, sample)))


def _labelled(*before_source: str) -> Callable[[str, Sample], Sequence[Message]]:
    """Text, instruction and source, then each response under its label: MMRB2's order, and GenArena's."""

    def messages(text: str, sample: Sample) -> Sequence[Message]:
        from ...judge import Image, Message

        return [Message("user", (
            text, "[ORIGINAL PROMPT TO MODEL:]", sample.prompt or "", *before_source, Image(sample.source),
            "[RESPONSE A:]", Image(sample.edited), "[RESPONSE B:]", Image(sample.rival),
        ))]  # fmt: skip

    return messages


def _images_first(*fields: str) -> Callable[[str, Sample], Sequence[Message]]:
    """Images as JPEG, then the text: UnifiedReward's order."""

    def messages(text: str, sample: Sample) -> Sequence[Message]:
        from ...judge import Encoding, Image, Message

        jpeg: Encoding = Encoding("jpeg", quality=95, subsampling="4:2:0")
        images = [Image(getattr(sample, field), jpeg) for field in fields]
        return [Message("user", (*images, text.replace("<instruction>", sample.prompt or "")))]

    return messages


_SYSTEM = re.compile(r"^system_prompt: (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^  - text: \|\n((?: {6}.*\n|\n)+)", re.MULTILINE)


def _captioned(file: str, sample: Sample) -> Sequence[Message]:
    """PVC-Judge's order: a system message, then each text of its YAML file with an image, source first.

    The file is the one whose checksum was checked, so that two patterns read it. Between an image and the next text the
    authors' client sends a line's end; its empty texts before images are left out.
    """
    from ...judge import Message

    system = _SYSTEM.findall(file)[0]
    blocks = [textwrap.dedent(block).removesuffix("\n") for block in _BLOCK.findall(file)]
    parts: list[str | Image] = []
    for block, image in zip(blocks, (sample.source, sample.edited, sample.rival), strict=True):
        parts += [*["\n"] * bool(parts), block.replace("{{ instruction }}", sample.prompt or ""), _small(image)]
    return [Message("system", (system,)), Message("user", tuple(parts))]


def _small(image: Any) -> Image:
    """Scale an image down by Pillow's `thumbnail` until no side is longer than 1024 pixels, as PVC-Judge's client."""
    import numpy as np
    from PIL import Image as PillowImage

    from ...judge import Image

    scaled = PillowImage.fromarray(Image(image).pixels())
    scaled.thumbnail((1024, 1024))
    return Image(np.asarray(scaled))


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
_CLAUSE = re.compile(
    r"[.,;:!?\n]|\b(?:so|thus|hence|therefore|but|yet|while|whereas|because|since|and)\b", re.IGNORECASE
)
_DOUBT = re.compile(
    r"\b(?:not|no|never|hardly|neither|nor|cannot|doubt\w*|false|wrong|incorrect|if|unless|whether|hard to"
    r"|difficult to|would|could|might|may)\b|n['’]t\b",
    re.IGNORECASE,
)


def _better_image(answer: Answer) -> Preference:
    """Read "Image 1 is better than Image 2" in a text that names one winner, and neither denies nor doubts it."""
    from ...judge.answers import unreadable, whole_text

    text = whole_text(answer)
    claims = list(_BETTER.finditer(text))
    winners = {claim[1] for claim in claims}
    if len(winners) != 1 or any(_DOUBT.search(_CLAUSE.split(text[: claim.start()])[-1]) for claim in claims):
        unreadable(answer, "expected one of 'Image 1 is better' and 'Image 2 is better'")
    return Preference(1.0 if winners == {"1"} else -1.0, text)


_EQUAL = re.compile(r"(?i)\bboth images are equally good\b")


def _better_or_equal(answer: Answer) -> Preference:
    """Read "Image 1 is better", "Image 2 is better" or "Both images are equally good", one of them."""
    from ...judge.answers import unreadable, whole_text

    text = whole_text(answer)
    if not _EQUAL.search(text):
        return _better_image(answer)
    if _BETTER.search(text):
        unreadable(answer, "expected one conclusion: one image is better, or both are equally good")
    return Preference(0.0, text)


def _tagged_better(answer: Answer) -> Preference:
    """Read "Image 1 is better" or "Image 2 is better" in the only <answer> tags, with nothing else in them."""
    from ...judge.answers import unreadable, whole_text

    pieces = re.findall(r"(?is)<answer>(.*?)</answer>", whole_text(answer))
    match = re.fullmatch(r"(?i)\s*image ([12]) is better\.?\s*", pieces[0]) if len(pieces) == 1 else None
    if match is None:
        unreadable(answer, "expected <answer>Image 1 is better</answer> or the same of image 2, once")
    return Preference(1.0 if match[1] == "1" else -1.0, (answer.text or "").partition("<answer>")[0].strip())


def _winning_image(answer: Answer) -> Preference:
    """Read {"winner": "Image 1" or "Image 2", "reason": ...}; the scores of its categories are not used."""
    from ...judge import read_json

    parsed = read_json(answer, _verdict())
    return Preference(1.0 if parsed.value.winner == "Image 1" else -1.0, str(parsed.value.reason))


@cache
def _verdict() -> Any:
    from pydantic import create_model

    image: Any = Literal["Image 1", "Image 2"]
    return create_model("FlexVerdict", winner=(image, ...), reason=(str, ""))


_WINNER = re.compile(r"(?:image[ _])?([ab])|tie", re.IGNORECASE)


def _winner(answer: Answer) -> Preference:
    """Read {"winner": "Image A", "Image B" or "Tie"}, in upper or lower case; the checkpoint gives no reasons."""
    from ...judge import read_json
    from ...judge.answers import unreadable

    match = _WINNER.fullmatch(read_json(answer, {"winner": str}).value["winner"])
    if match is None:
        unreadable(answer, "expected 'Image A', 'Image B' or 'Tie' as the winner")
    return Preference(chosen(match[1] or "tie"))


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

PVC_JUDGE = OfficialPrompt(
    "ZhangqiJiang07/GEditBench_v2",
    "82bc00ed59963b597dea0b9162bdd9e38fc8fbe6",
    "src/prompts/assets/vlm/assessment/visual_consistency/pairwise/v1.yaml",
    None,
    "3db025087377977c05a972684ef9e6c68ff66fca08e9ad817d8172f0461047bc",
    "no licence",
)

PROTOCOLS = {
    "genarena": PairProtocol(GENARENA, _labelled("[INPUT IMAGE FROM PROMPT:]"), _better_response),
    "mmrb2": PairProtocol(MMRB2, _labelled(), _better_response),
    "pvc_judge": PairProtocol(PVC_JUDGE, _captioned, _winner),
    "unified_reward": PairProtocol(UNIFIED_REWARD, _images_first("source", "edited", "rival"), _better_image),
    "unified_reward_t2i": PairProtocol(RANK, _images_first("edited", "rival"), _better_or_equal, source=False),
    "unified_reward_think": PairProtocol(THINK, _images_first("edited", "rival"), _tagged_better, source=False),
    "unified_reward_flex": PairProtocol(FLEX, _images_first("edited", "rival"), _winning_image, source=False),
}
"""The published protocols by name; the project's own is in `metric.py`."""
