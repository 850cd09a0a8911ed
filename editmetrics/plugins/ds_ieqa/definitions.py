"""The definitions of all dimensions, searched by FDMPO before training (sections 3.2 and 3.4)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mllm.processes import on_main_process
from ...mllm.recipe import shuffled
from .fdmpo import Trajectory, Trial, definition_value, search
from .tdrl import Vocabulary

if TYPE_CHECKING:
    from ...mllm.backbone import Picture
    from ...mllm.prefix_cache import PrefixCache
    from ...mllm.targets import Example, TrainingSet
    from ...sample import Sample
    from .assessor import DigitAssessor
    from .method import DSIEQAMethod

    Pairs = Callable[[Sample], tuple[Picture, Picture]]

logger = logging.getLogger(__name__)


BATCH = 8
"""Pairs that are read together."""


def define(
    assessor: DigitAssessor, data: TrainingSet, pairs: Pairs, method: DSIEQAMethod, folder: Path, seed: int
) -> dict[str, str]:
    """The best definition of each dimension, by FDMPO; the trajectories are in `folder/definitions`.

    Of several processes one searches, and the others wait and read what it found.
    """
    files = {dimension: folder / "definitions" / f"{dimension}.jsonl" for dimension in assessor.definitions}
    on_main_process(lambda: _search(assessor, data, pairs, method, files, seed))
    return {dimension: Trajectory.read(file).best.definition for dimension, file in files.items()}


def _search(
    assessor: DigitAssessor, data: TrainingSet, pairs: Pairs, method: DSIEQAMethod, files: Mapping[str, Path], seed: int
) -> None:
    chosen = shuffled(len(data.train), min(method.pairs, len(data.train)), seed)
    subset = [data.train[int(index)] for index in chosen]
    judge = _optimiser(assessor, method)
    identity = {
        "backbone": assessor.backbone.identity(),
        "pairs": hashlib.sha256(" ".join(example.id for example in subset).encode()).hexdigest(),
        "vocabulary": method.definition_vocabulary,
        "optimiser": judge.identity(),
    }
    for dimension, file in files.items():
        feedback = Feedback(assessor, dimension, subset, pairs, method.definition_vocabulary)
        trajectory = search(
            dimension,
            assessor.definitions[dimension],
            feedback,
            lambda text, number: judge.ask(text, round=number).required(),
            trials=method.trials,
            file=file,
            identity=identity,
            on_trial=partial(_report, dimension, method.trials),
        )
        draw(trajectory, file.with_suffix(".svg"))
        logger.info(
            "%s: the best of %d definitions has V_d %.4f (start: %.4f; %d proposals refused): %s",
            dimension, len(trajectory.trials) - trajectory.refused, trajectory.best.value,
            trajectory.trials[0].value, trajectory.refused, trajectory.best.definition,
        )  # fmt: skip


def _optimiser(assessor: DigitAssessor, method: DSIEQAMethod) -> Any:
    from ...judge import open_judge

    settings: dict[str, Any] = {
        "temperature": 1.0,
        "max_tokens": 1024,
        "cache": False,
    }  # a proposal is to differ from the last one
    if method.optimiser == "backbone":
        return open_judge(backbone=assessor.backbone, **settings)
    return open_judge(method.optimiser, endpoint=method.optimiser_endpoint, **settings)


def _report(dimension: str, trials: int, trial: Trial) -> None:
    outcome = f"V_d {trial.value:.4f}" if trial.value is not None else f"refused: {trial.refused}"
    logger.info("%s: definition %d of %d: %s", dimension, trial.number, trials, outcome)


class Feedback:
    """`feedback(definition)` is the mean V_d of a definition over rated pairs, in [0, 1.11].

    The images and the instruction stand before the definition in the prompt, so they are read once, here, and every
    definition only adds its own words to their key-value cache. For an 8B backbone and two images of 1280 tokens the
    cache of a pair takes about 0.4 GB in bfloat16.
    """

    def __init__(
        self,
        assessor: DigitAssessor,
        dimension: str,
        examples: Sequence[Example],
        pairs: Callable[[Sample], tuple[Picture, Picture]],
        vocabulary: Vocabulary = "all",
    ) -> None:
        from ...mllm.prefix_cache import after_images

        self.assessor, self.dimension, self.vocabulary = assessor, dimension, vocabulary
        self.examples = list(examples)
        self.pictures = [pairs(example.sample) for example in self.examples]
        self.readings: list[PrefixCache] = []
        backbone = assessor.backbone
        for start in range(0, len(self.examples), BATCH):
            prompts = self._prompts(start, assessor.definitions[dimension])
            features = assessor.look([{dimension: prompt} for prompt in prompts])
            self.readings.append(backbone.read([after_images(backbone, prompt)[0] for prompt in prompts], features))

    def _prompts(self, start: int, definition: str) -> list:
        some = slice(start, start + BATCH)
        return [
            self.assessor.prompt(pictures, example.sample.prompt or "", self.dimension, definition)
            for pictures, example in zip(self.pictures[some], self.examples[some], strict=True)
        ]

    def __call__(self, definition: str) -> float:
        import torch

        from ...mllm.prefix_cache import after_images

        backbone, digits, point = self.assessor.backbone, self.assessor.digits, self.assessor.backbone.token(".")
        values = []
        for number, shared in enumerate(self.readings):
            start = number * BATCH
            reading = shared.repeated(range(len(shared)))
            reading.extend([after_images(backbone, prompt)[1] for prompt in self._prompts(start, definition)])
            truth = [
                self.assessor.scale.digits(example.targets[self.dimension])
                for example in self.examples[start : start + BATCH]
            ]
            texts = [[digits[first], point, digits[second], digits[third]] for first, second, third in truth]
            logits = torch.stack([row[0][[0, 2, 3]] for row in reading.continued([[text] for text in texts])])
            values.append(definition_value(logits, torch.tensor(truth), digits, vocabulary=self.vocabulary))
        return float(torch.cat(values).mean())


def draw(trajectory: Trajectory, file: str | Path) -> Path | None:
    """Draw `trajectory` into `file` (svg, png or pdf) as figure 3 of the paper; None, without matplotlib."""
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        logger.info("%s is not drawn: pip install 'editmetrics[plot]'", file)
        return None
    tried = [(trial.number, trial.value) for trial in trajectory.trials if trial.value is not None]
    refused = [trial.number for trial in trajectory.trials if trial.refused]
    numbers, values = [number for number, _ in tried], [value for _, value in tried]
    best = [max(values[: index + 1]) for index in range(len(values))]
    figure = Figure(figsize=(7, 3.5), layout="constrained")
    axes = figure.add_subplot()
    axes.step(numbers, best, where="post", color="#0072b2", linewidth=1, label="best so far")
    axes.plot(numbers, values, "o", color="#0072b2", markersize=5, label="definition")
    if refused:
        axes.plot(refused, [min(values)] * len(refused), "x", color="#d55e00", label="refused")
    axes.annotate(
        "best", (trajectory.best.number, trajectory.best.value or 0.0), xytext=(0, 7), textcoords="offset points",
        ha="center",
    )  # fmt: skip
    axes.set(xlabel="trial (0 is the start definition)", ylabel="definition value $V_d$")
    axes.set_title(trajectory.dimension.replace("_", " "))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.margins(y=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="best")
    figure.savefig(file)
    return Path(file)
