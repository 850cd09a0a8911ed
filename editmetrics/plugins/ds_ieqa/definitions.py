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
    import torch
    from torch import Tensor

    from ...mllm.backbone import Picture, Prompt
    from ...mllm.fitting import FitJob
    from ...mllm.prefix_cache import PrefixCache
    from ...mllm.targets import Example, TrainingSet
    from ...sample import Sample
    from .assessor import DigitAssessor
    from .method import DSIEQAMethod

    Pairs = Callable[[Sample], tuple[Picture, Picture]]

logger = logging.getLogger(__name__)


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
    feedback = Feedback(
        assessor, subset, pairs, method.definition_vocabulary, method.definition_batch_size,
        cache_bytes(method, assessor.backbone.device),
    )  # fmt: skip
    for dimension, file in files.items():
        if not job.resume:
            file.unlink(missing_ok=True)
        trajectory = search(
            SearchPlan(dimension, assessor.definitions[dimension], method.trials, method.definition_margin),
            partial(feedback, dimension),
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


def cache_bytes(method: DSIEQAMethod, device: torch.device) -> int:
    """The bytes of caches that the search may keep: those of the setting, or half of what is free on `device`."""
    from ...mllm.into_memory import free_memory

    return free_memory(device) // 2 if method.definition_cache_gb is None else int(method.definition_cache_gb * 1e9)


class Feedback:
    """`feedback(dimension, definition)` reads rated pairs under a definition: V_d of each, and the scores' agreement.

    The score of a pair is here the expected integer digit, the only one whose context holds no true digit.

    The images and the instruction stand before the definition in the prompt, for all dimensions alike. Their key-value
    caches are kept while they take at most `cache_bytes` together, and every definition only adds its own words; the
    pairs beyond that are read again, `batch` at a time, with equal results. For an 8B backbone and two images of 1280
    tokens the cache of a pair takes about 0.4 GB in bfloat16.
    """

    def __init__(
        self,
        assessor: DigitAssessor,
        examples: Sequence[Example],
        pairs: Callable[[Sample], tuple[Picture, Picture]],
        vocabulary: Vocabulary = "all",
        batch: int = 8,
        cache_bytes: int = 1 << 30,
    ) -> None:
        self.assessor, self.examples, self.vocabulary = assessor, list(examples), vocabulary
        self.batch, self.cache_bytes = batch, cache_bytes
        self.pictures = [pairs(example.sample) for example in self.examples]
        self._kept: dict[int, PrefixCache] = {}

    def __call__(self, dimension: str, definition: str) -> DefinitionFeedback:
        import torch

        digits = self.assessor.digits
        values, expected = [], []
        for start in range(0, len(self.examples), self.batch):
            truth = [self.assessor.scale.digits(example.targets[dimension]) for _, example in self._batch(start)]
            logits = self._logits(start, dimension, definition, truth)
            values.append(definition_value(logits, torch.tensor(truth), digits, vocabulary=self.vocabulary))
            first = logits[:, 0, digits].float().softmax(-1)
            expected += (first * torch.arange(10, device=first.device)).sum(-1).tolist()
        measures = agreement(expected, [example.targets[dimension] for example in self.examples])
        return DefinitionFeedback(torch.cat(values).tolist(), merit(measures, "mean"))

    def _logits(self, start: int, dimension: str, definition: str, truth: Sequence[tuple[int, int, int]]) -> Tensor:
        """(pairs, 3, vocabulary), of each digit after the true ones, of the batch of pairs that begins at `start`."""
        import torch

        from ...mllm.prefix_cache import after_images

        backbone, digits, point = self.assessor.backbone, self.assessor.digits, self.assessor.backbone.token(".")
        prompts = [
            self.assessor.prompt(pictures, example.sample.prompt or "", dimension, definition)
            for pictures, example in self._batch(start)
        ]
        parts = [after_images(backbone, prompt) for prompt in prompts]
        reading = self._read(start, [shared for shared, _ in parts])
        reading.extend([rest for _, rest in parts])
        texts = [[digits[first], point, digits[second], digits[third]] for first, second, third in truth]
        return torch.stack([row[0][[0, 2, 3]] for row in reading.continued([[text] for text in texts])])

    def _batch(self, start: int) -> list[tuple[tuple[Picture, Picture], Example]]:
        some = slice(start, start + self.batch)
        return list(zip(self.pictures[some], self.examples[some], strict=True))

    def _read(self, start: int, prompts: Sequence[Prompt]) -> PrefixCache:
        """The pairs' images and instructions, to be extended; from the kept caches, if they are among them."""
        import torch

        kept = self._kept.get(start)
        if kept is None:
            backbone = self.assessor.backbone
            with torch.inference_mode():
                features = backbone.look_at(prompts, self.assessor.features)
            kept = backbone.read(prompts, features)
            if sum(cache.nbytes for cache in self._kept.values()) + kept.nbytes > self.cache_bytes:
                return kept
            self._kept[start] = kept
        return kept.repeated(range(len(kept)))
