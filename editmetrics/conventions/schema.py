"""The schema of a file of conventions: all that turns a published checkpoint into a metric, as data.

`reading.read_conventions` makes one of a file `NAME.toml`. `docs/assessors.md` has a table of all that are built in.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

ImageField = Literal["source", "edited", "reference"]
TextField = Literal["prompt", "source_prompt"]


@dataclass(frozen=True)
class Origin:
    """Where conventions were read, and under what terms: paper, repository and commit, licences.

    - `read_on`: the date of that, ISO 8601. A licence that nobody has stated is "none".
    - `files`: the SHA-256 of each file of the repository that prompts are read from in the user's copy.
    """

    paper: str
    repository: str
    commit: str
    read_on: str
    code_licence: str
    prompt_licence: str
    weights_licence: str
    files: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class CheckpointModel:
    """A published checkpoint: a whole model, or an adapter or a head on `base`.

    - `name`: as the option `checkpoint` has it. `family`: a `model_type` of `editmetrics.mllm.families`.
    - `base`: the hub id of the model that is loaded, and its `revision` and `subfolder` where they are known.
      `in_data_set`: it lies in a data set of the hub.
    - `weights`: an entry of the weights registry with an adapter, or with a whole model and its heads for the read-out
      "state"; "" where `base` is all.
    - `served`: the hub id that a server of yours serves for `backend=endpoint`; by default `base`.
    - `image_label`: the text before each image, `{n}` its number from 1, as "Picture {n}: ".
    - `size`: of images, in place of that in `[images]`.
    """

    name: str
    family: str
    base: str
    revision: str | None = None
    subfolder: str | None = None
    in_data_set: bool = False
    weights: str = ""
    served: str = ""
    image_label: str = ""
    size: Literal["as_is", "source", "qwen"] | None = None


@dataclass(frozen=True)
class PromptSource:
    """A text: shipped as `text`, or at `file` and `key` in the user's copy of the repository.

    - `sha256`: of the text as UTF-8, before anything is put in.
    - `slots`: from what stands for a sample's words to the field that has them, `{"<instruction>" = "prompt"}`; a value
      that begins with = is itself put in, as `{"{{" = "={"}` for texts that Python's `str.format` fills in.
    """

    sha256: str
    text: str | None = None
    file: str = ""
    key: str = ""
    slots: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ImageRule:
    """How an image is prepared before the model's own processor sees it.

    - `form`, `quality`, `subsampling`: as `editmetrics.judge.Encoding`; "jpeg" changes pixels also for a local model.
    - `size`: "as_is"; "source", the edited image scaled to the source's size (Pillow's bicubic); or "qwen", as the
      package qwen-vl-utils: sides that are multiples of `factor`, between `min_pixels` and `max_pixels` in all.
    """

    form: Literal["png", "jpeg"] = "png"
    quality: int = 95
    subsampling: Literal["4:4:4", "4:2:0"] = "4:4:4"
    size: Literal["as_is", "source", "qwen"] = "as_is"
    factor: int = 28
    min_pixels: int = 4 * 28 * 28
    max_pixels: int = 16384 * 28 * 28


@dataclass(frozen=True)
class SamplingRule:
    """How answers are drawn; a temperature of 0 is greedy.

    - `seed`: of the first round; each further one (the option `rounds`) has the next.
    - `top_p`, `top_k`: only the likeliest tokens are drawn, up to this probability and this number.
    - `extra`: what is sent to an endpoint besides.
    """

    temperature: float
    max_tokens: int
    seed: int | None = None
    top_p: float | None = None
    top_k: int | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class AnswerForm:
    """Form of a readable answer, and the numbers in it. See `answers.read_answer`.

    - `form`: "json", an object with the number or list of numbers under `key`; "lines", a line "Title: number" each;
      "sections", a heading with a title each, and the number behind `key` in the section; "tag", a number in <key>
      tags; "tagged_json", such an object in <answer> tags; "label", a number behind `key`; "boxed", a number in
      \\boxed{}, and the same one wherever `key` stands before; "level", one of `words` behind `key`, from `low` on;
      "ratings", a line "any words: number" for each value, and no more such lines.
    - `values`: names of the numbers, in their order. `titles`: as lines and sections have them; by default the names.
    - `low`, `high`: the scale on which they are asked for; `whole`: whole numbers only.
    - `times`, `plus`: `times * number + plus` is the value.
    - `optional`: values that may be "N/A", and then are left out.
    """

    form: Literal["json", "lines", "sections", "tag", "tagged_json", "label", "boxed", "level", "ratings"]
    values: tuple[str, ...]
    low: float
    high: float
    key: str = "score"
    words: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    whole: bool = False
    times: float = 1.0
    plus: float = 0.0
    optional: tuple[str, ...] = ()


@dataclass(frozen=True)
class QuestionRule:
    """One question: the names of its texts in `[prompts]`, the images that it shows, and in which order.

    - `texts`: joined by `join`. `chosen_by`: a column of the manifest in place of them, whose value names the text.
      `system`: the system message, a name in `[prompts]`; "" for none.
    - `order`: images before the text, text before the images, or images where `mark` stands in the text.
    - `answer`: for the read-out "text".
    """

    name: str
    texts: tuple[str, ...]
    images: tuple[ImageField, ...]
    order: Literal["images_first", "text_first", "inline"] = "images_first"
    mark: str = "<image>"
    join: str = ""
    chosen_by: str = ""
    system: str = ""
    answer: AnswerForm | None = None


@dataclass(frozen=True)
class ConditionRule:
    """Change a state by a guess about it before a head reads it: feature-wise linear modulation (FiLM).

    The guess is the sigmoid of what the layers `guess` make of the state. The layers `encoder`, with GELU between them,
    make an embedding of the guess and of `iteration`; the layers `modulation`, with ReLU between them, make of it a
    scale and a shift for each number of the state, which becomes state * (1 + scale) + shift.

    - `guess`, `encoder`, `modulation`: the names of two linear layers each. `size`: numbers of the embedding.
    - `unused`: layers of the checkpoint that weigh several images against each other; of one alone they change nothing.
    - `iteration`: of reinforcement learning, 0 before it.
    """

    guess: tuple[str, ...]
    encoder: tuple[str, ...]
    modulation: tuple[str, ...]
    size: int
    unused: tuple[str, ...] = ()
    iteration: float = 0.0

    def names(self) -> tuple[str, ...]:
        """List the names of its layers in the checkpoint."""
        return (*self.guess, *self.unused, *self.encoder, *self.modulation)


@dataclass(frozen=True)
class HeadRule:
    """A regression head on a hidden state: the read-out "state".

    - `question`: whose prompt's state it reads. `value`: the name of its number.
    - `layers`: the names of its linear layers in the checkpoint, in order, each with its number of outputs;
      `activation` between them. `bias`: whether they have one.
    - `outputs`: what its numbers are, in order: "mean", and "log_std" or "log_variance", from which the uncertainty
      comes, or "ignored".
    - `condition`: what changes the state before.
    """

    value: str
    question: str
    layers: dict[str, int]
    outputs: tuple[Literal["mean", "log_std", "log_variance", "ignored"], ...] = ("mean",)
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    bias: bool = True
    condition: ConditionRule | None = None

    def names(self) -> tuple[str, ...]:
        """List the names of all its layers in the checkpoint."""
        return (*self.layers, *(self.condition.names() if self.condition else ()))


@dataclass(frozen=True)
class StateRule:
    """Where a hidden state is read, after the last layer and its norm, and the heads that read it.

    - `token`: a control token that the checkpoint added to its base's vocabulary, at which it is read; or else
      `behind`, the position from the end of the prompt, 1 the last.
    - `positions`: those of the family; or "plain", all tokens counted from 0, those of images as well.
    """

    heads: tuple[HeadRule, ...]
    token: str = ""
    behind: int = 1
    positions: Literal["family", "plain"] = "family"


@dataclass(frozen=True)
class LevelsRule:
    """Words whose probability, where the answer begins, is the score: the read-out "levels".

    - `words`: as they follow in the text (" excellent" is another token than "excellent"). `weights`: their numbers.
    - `answer`: the words that the answer begins with, which are put behind the prompt.
    - `chat`: whether the model's chat template stands around the question; false where its text is the whole prompt.
    - `among`: probabilities over these words alone, or over the whole vocabulary.
    - `value`: the name of the value.
    """

    value: str
    words: tuple[str, ...]
    weights: tuple[float, ...]
    answer: str = ""
    chat: bool = True
    among: Literal["words", "vocabulary"] = "words"


@dataclass(frozen=True)
class DimensionRule:
    """One dimension of the metric: `how` it is made of `values`, numbers of answers or other dimensions.

    "value" is the only one; "min", "mean", "product" and "geometric" (the n-th root of the product) combine several.
    All must be there, except for the mean, which leaves out optional values that are "N/A". `weights` are those of a
    mean, which then leaves nothing out. The first dimension is the primary one.
    """

    name: str
    values: tuple[str, ...]
    description: str
    how: Literal["value", "min", "mean", "product", "geometric"] = "value"
    weights: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 10.0
    unbounded: bool = False
    unit: str = ""
    optional: bool = False


@dataclass(frozen=True)
class PublishedFigure:
    """A number of the authors, and where it stands: what a run on the same data should give."""

    data: str
    measure: str
    value: float
    checkpoint: str
    where: str


@dataclass(frozen=True)
class Conventions:
    """The conventions of an assessor.

    - `name`, `version`, `title`: as of any metric. `summary`: one sentence with the unit; `notes`: what else to know.
    - `readout`: "text", an answer that is parsed; "state", a hidden state through heads; "levels", probabilities of
      words.
    - `models`: the checkpoints, the first the default. `requires`: fields of a sample.
    - `differences`: in what a run differs from the authors' code.
    - `sha256`: of what changes numbers: all but names, notes and provenance.
    """

    name: str
    version: int
    title: str
    summary: str
    readout: Literal["text", "state", "levels"]
    requires: tuple[str, ...]
    origin: Origin
    models: tuple[CheckpointModel, ...]
    prompts: dict[str, PromptSource]
    questions: tuple[QuestionRule, ...]
    dimensions: tuple[DimensionRule, ...]
    images: ImageRule = ImageRule()
    sampling: SamplingRule | None = None
    state: StateRule | None = None
    levels: LevelsRule | None = None
    notes: str = ""
    differences: tuple[str, ...] = ()
    published: tuple[PublishedFigure, ...] = ()

    def model(self, name: str = "") -> CheckpointModel:
        """Return the checkpoint of this name, by default the first. Raises `KeyError` for another name."""
        return {model.name: model for model in self.models}[name or self.models[0].name]
