"""The definitions of all dimensions, searched by FDMPO before training (sections 3.2 and 3.4)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mllm.processes import on_main_process
from ...mllm.recipe import shuffled
from ...mllm.validation import agreement, merit
from .fdmpo import DefinitionFeedback, SearchPlan, Trajectory, Trial, definition_value, search
from .tdrl import Vocabulary
from .trajectory_plot import draw

if TYPE_CHECKING:
    from ...mllm.backbone import Picture
    from ...mllm.fitting import FitJob
    from ...mllm.prefix_cache import PrefixCache
    from ...mllm.targets import Example, TrainingSet
    from ...sample import Sample
    from .assessor import DigitAssessor
    from .method import DSIEQAMethod

    Pairs = Callable[[Sample], tuple[Picture, Picture]]

logger = logging.getLogger(__name__)


BATCH = 8
"""Pairs that are read together."""


def define(assessor: DigitAssessor, data: TrainingSet, pairs: Pairs, job: FitJob) -> dict[str, str]:
    """The best definition of each dimension, by FDMPO; the trajectories are in `definitions` of the job's folder.

    Of several processes one searches, and the others wait and read its result. Without `resume`, it starts afresh.
    """
    files = {dimension: job.folder / "definitions" / f"{dimension}.jsonl" for dimension in assessor.definitions}
    on_main_process(lambda: _search(assessor, data, pairs, job, files))
    return {dimension: Trajectory.read(file).best.definition for dimension, file in files.items()}


def _search(assessor: DigitAssessor, data: TrainingSet, pairs: Pairs, job: FitJob, files: Mapping[str, Path]) -> None:
    method = job.method
    chosen = shuffled(len(data.train), min(method.pairs, len(data.train)), job.recipe.seed)
    subset = [data.train[int(index)] for index in chosen]
    judge = _optimiser(assessor, method)
    identity = {
        "backbone": assessor.backbone.identity(),
        "pairs": replace(data, train=subset, validation=()).digest(),
        "vocabulary": method.definition_vocabulary,
        "optimiser": judge.identity(),
    }
    for dimension, file in files.items():
        feedback = Feedback(assessor, dimension, subset, pairs, method.definition_vocabulary)
        if not job.resume:
            file.unlink(missing_ok=True)
        trajectory = search(
            SearchPlan(dimension, assessor.definitions[dimension], method.trials, method.definition_margin),
            feedback,
            lambda text, number: judge.ask(text, round=number).required(),
            file=file,
            identity=identity,
            on_trial=partial(_report, dimension, method.trials),
        )
        draw(trajectory, file.with_suffix(".svg"))
        logger.info(
            "%s: of %d definitions number %d is kept, V_d %s (start: %s; %d proposals refused): %s",
            dimension, len(trajectory.trials) - trajectory.refused, trajectory.best.number,
            _with_error(trajectory.best.value, trajectory.best.error),
            _with_error(trajectory.trials[0].value, trajectory.trials[0].error),
            trajectory.refused, trajectory.best.definition,
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
    outcome = f"refused: {trial.refused}"
    if trial.value is not None:
        gain = "" if trial.gain is None else f", {_with_error(trial.gain, trial.gain_error, '+')} to the best so far"
        outcome = f"V_d {_with_error(trial.value, trial.error)}{gain}"
    logger.info("%s: definition %d of %d: %s", dimension, trial.number, trials, outcome)


def _with_error(value: float | None, error: float | None, sign: str = "") -> str:
    return f"{value:{sign}.4f}" + ("" if error is None else f" +- {error:.4f}")


class Feedback:
    """`feedback(definition)` reads rated pairs under a definition: V_d of each, and how far the scores agree.

    The score of a pair is here the expected integer digit, the only one whose context holds no true digit.

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

    def __call__(self, definition: str) -> DefinitionFeedback:
        import torch

        from ...mllm.prefix_cache import after_images

        backbone, digits, point = self.assessor.backbone, self.assessor.digits, self.assessor.backbone.token(".")
        values, expected = [], []
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
            first = logits[:, 0, digits].float().softmax(-1)
            expected += (first * torch.arange(10, device=first.device)).sum(-1).tolist()
        measures = agreement(expected, [example.targets[self.dimension] for example in self.examples])
        return DefinitionFeedback(torch.cat(values).tolist(), merit(measures, "mean"))
