"""Text accuracy: whether an image shows the text that was asked for, as an OCR model reads it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from ..metric import Metric
from ..options import with_variant
from ..sample import Dimension, Sample, SampleError, Score, first_is_primary, is_blank
from .ocr import CHECKPOINT, TextReader, unreadable
from .wanted_text import edit_distance, normalised, quoted, require_one_reading, word_counts

if TYPE_CHECKING:
    import numpy as np

FLOW_GRPO = "flow-grpo"


def text_accuracy(wanted: Sequence[str], read: Sequence[str], *, extra: bool = False) -> dict[str, float]:
    """Agreement of phrases that are wanted with lines that were read: words, characters and phrases, each in [0, 1].

    - words: |W ∩ R| / |W|, for the words W that are wanted and R that were read, each as often as it is there.
    - characters: 1 - sum of d / sum of the phrases' lengths, where d is the edit distance of a phrase from the part of
      the lines nearest to it, spaces left out.
    - phrases: the share of phrases with d = 0.

    `extra` counts text that nobody asked for: words becomes 2 |W ∩ R| / (|W| + |R|), characters 1 - D / the length of
    the longer text, where D is the edit distance of all that is wanted from all that was read, in their orders.

    >>> text_accuracy(["grand opening", "sale"], ["grand openimg", "today"])
    {'words': 0.3333333333333333, 'characters': 0.75, 'phrases': 0.0}
    """
    both, in_wanted, in_read = word_counts(wanted, read)
    page = "".join("".join(read).split())
    phrases = ["".join(phrase.split()) for phrase in wanted]
    distances = [edit_distance(phrase, page, anywhere=True) for phrase in phrases]
    whole = "".join(phrases)
    least = {"words": both / in_wanted, "characters": 1 - sum(distances) / len(whole)}
    if extra:
        away = edit_distance(whole, page) / max(len(whole), len(page))
        least = {"words": 2 * both / (in_wanted + in_read), "characters": 1 - away}
    return {**least, "phrases": distances.count(0) / len(distances)}


def flow_grpo_reward(wanted: str, read: Sequence[str]) -> float:
    """Flow-GRPO's reward for text, in [0, 1]: 1 - min(d, n) / n, of n characters without spaces, in small letters.

    d is 0 where the text stands anywhere in what was read, else the edit distance from all of it.

    >>> flow_grpo_reward("Grand Opening", ["GRAND OPENING", "today"]), flow_grpo_reward("open", ["opem"])
    (1.0, 0.75)
    """
    wanted, page = (text.replace(" ", "").lower() for text in (wanted, "".join(read)))
    distance = 0 if wanted in page else min(edit_distance(page, wanted), len(wanted))
    return 1 - distance / len(wanted)


class TextAccuracy(Metric):
    """Share of the wanted text that can be read in the edited image, 0 to 1; higher is better.

    The wanted text is in the quotes of the prompt ('a sign that says "OPEN"'), or in a column of the manifest, a line a
    phrase. PP-OCRv6 reads the image; its weights come with the package rapidocr, so that nothing is downloaded.

    - `words`: the share of the wanted words that were read, each as often as it is wanted; Chinese and Japanese
      characters count as words.
    - `characters`: 1 - edit distance / length, where a phrase is compared with that part of the text which is nearest
      to it.
    - `phrases`: the share of phrases that were read without a mistake.

    An image in which nothing can be read scores 0. A sample without a wanted text is `skipped`. A prompt that seems to
    replace one quote by another ("change 'A' to 'B'") fails, unless `quotes` says which is wanted. What was read is the
    explanation of the score.

    The number is of the text and of the reader: small or artistic letters are misread, so that images of real text do
    not score 1 either. The reader knows Chinese, Japanese and Latin letters; a wanted text with others is `skipped`.

    Options:
        column: Column of the manifest with the wanted text, where a row has one; it goes before the prompt's quotes.
        quotes: Which quotes of a prompt are wanted: all, or the last. Without it all, and a prompt that seems to
            replace one by another fails.
        extra: Text that nobody asked for: ignore it, such as signs that were there before, or count it as wrong.
        case: Whether "open" is read as "OPEN": ignore, or keep for a comparison of capital and small letters.
        punctuation: Whether "Hi!" is read as "Hi": ignore, or keep for a comparison of punctuation.
        variant: none, or flow-grpo: that trainer's reward, of the text between the first two straight quotes.

    Source: words as in LongText-Bench (Geng et al., X-Omni, 2025, arXiv:2507.22058) and, with extra=count, TextDiffuser
    (Chen et al., NeurIPS 2023, arXiv:2305.10855); characters with extra=count as AnyText's normalised edit distance
    (Tuo et al., ICLR 2024, arXiv:2311.03054); the reward of Flow-GRPO (Liu et al., 2025, arXiv:2505.05470; its code at
    commit ac4c86e), which reads with PaddleOCR.

    >>> metric = TextAccuracy()
    >>> metric.use(lambda pixels: ["GRAND OPENIMG"])
    >>> score = metric("docs/examples/edited/cat.jpg", prompt='a sign that says "Grand opening"')
    >>> score["words"], round(score["characters"], 3), score.explanation
    (0.5, 0.917, 'GRAND OPENIMG')
    """

    name, version = "text_accuracy", 1
    title = "wanted text can be read (OCR)"
    needs = frozenset({"edited"})
    uses = frozenset({"prompt"})
    host_reads = 0
    dimensions = (
        Dimension("words", low=0, high=1, primary=True, description="share of the wanted words that were read"),
        Dimension("characters", low=0, high=1, description="1 - edit distance / length, of the nearest part"),
        Dimension("phrases", low=0, high=1, description="share of the phrases that were read without a mistake"),
    )
    paper = "Chen et al., TextDiffuser: diffusion models as text painters, NeurIPS 2023, arXiv:2305.10855"
    licence = "Apache-2.0 (PP-OCRv6, rapidocr)"
    requires = ("rapidocr", "onnxruntime")

    def __init__(
        self,
        *,
        column: str = "text",
        quotes: Literal["all", "last"] | None = None,
        extra: Literal["ignore", "count"] = "ignore",
        case: Literal["ignore", "keep"] = "ignore",
        punctuation: Literal["ignore", "keep"] = "ignore",
        variant: Literal["none", "flow-grpo"] = "none",
    ) -> None:
        self.column, self.quotes, self.extra = column, quotes, extra
        self.case, self.punctuation, self.variant = case, punctuation, variant
        self.columns = frozenset({column})  # type: ignore[misc]
        with_variant(self, {FLOW_GRPO: {"extra": "ignore", "case": "ignore", "punctuation": "ignore"}})
        self._read: Any = None
        self._stand_in = False

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """Return the characters alone for Flow-GRPO's reward, else all three."""
        declared = type(self).dimensions
        return first_is_primary(declared[1:2]) if self.variant == FLOW_GRPO else declared

    def checkpoints(self) -> tuple[str, ...]:
        return (CHECKPOINT,)

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "reader": "a stand-in" if self._stand_in else _reader()}

    def use(self, read: Any) -> None:
        """Read images by `read(pixels)`, which returns their lines, in place of rapidocr: a stand-in for tests."""
        self._read, self._stand_in = read, True

    def load(self) -> None:
        if self._read is None:
            self._read = TextReader().read

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return the image (H, W, 3), uint8, and the phrases that are wanted."""
        from ..images import eight_bits, read_image

        wanted = self._wanted(sample)
        if not any(self._compared(phrase) for phrase in wanted):
            raise SampleError(f"the wanted text {' '.join(wanted)!r} has no letter that is compared", "skipped")
        if not self._stand_in and (letters := unreadable("".join(wanted))):
            raise SampleError(f"PP-OCRv6 does not read the letters {''.join(dict.fromkeys(letters))!r}", "skipped")
        return {"wanted": wanted, "pixels": eight_bits(read_image(sample.edited))}

    def batch_key(self, prepared: dict[str, Any]) -> None:
        return None  # images are read one by one

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        return [self._score(item["wanted"], item["pixels"]) for item in batch]

    def _score(self, wanted: list[str], pixels: np.ndarray) -> Score:
        lines: list[str] = self._read(pixels)
        more: dict[str, Any] = {"explanation": "\n".join(lines) or None, "details": {"wanted": wanted}}
        if self.variant == FLOW_GRPO:
            return Score({"characters": flow_grpo_reward(" ".join(wanted), lines)}, **more)
        phrases, read = (list(filter(None, map(self._compared, texts))) for texts in (wanted, lines))
        return Score(text_accuracy(phrases, read, extra=self.extra == "count"), **more)

    def _compared(self, text: str) -> str:
        if self.variant == FLOW_GRPO:
            return text.replace(" ", "").lower()
        return normalised(text, case=self.case == "keep", punctuation=self.punctuation == "keep")

    def _wanted(self, sample: Sample) -> list[str]:
        stated = sample.meta.get(self.column)
        if not (stated is None or stated != stated or (isinstance(stated, str) and is_blank(stated))):
            return _phrases(stated, self.column)
        prompt = sample.prompt or ""
        if self.variant == FLOW_GRPO:
            texts = prompt.split('"')[1:2]
        else:
            texts = quoted(prompt)
            if self.quotes is None:
                require_one_reading(prompt)
            elif self.quotes == "last":
                texts = texts[-1:]
        if not texts:
            raise SampleError(
                f"no text is wanted: the prompt has no text in quotes, and the sample no column {self.column!r}",
                "skipped",
            )
        return texts


def _phrases(stated: Any, column: str) -> list[str]:
    """The wanted phrases in a cell: the lines of a text, a number, or several of either."""
    if isinstance(stated, (list, tuple)):
        return [phrase for each in stated for phrase in _phrases(each, column)]
    if isinstance(stated, float) and stated.is_integer():
        stated = int(stated)
    if not isinstance(stated, (str, int, float)) or isinstance(stated, bool):
        raise SampleError(f"the column {column!r} is {stated!r}; expected the wanted text")
    return [line.strip() for line in str(stated).splitlines() if not is_blank(line)]


def _reader() -> str:
    try:
        return f"rapidocr {importlib.metadata.version('rapidocr')}"
    except importlib.metadata.PackageNotFoundError:
        return "unknown until rapidocr is installed"
