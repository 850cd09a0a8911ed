"""The definitions of all dimensions, searched by FDMPO before training (sections 3.2 and 3.4)."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...mllm.processes import on_main_process
from ...mllm.recipe import shuffled
from .fdmpo import Trajectory, Trial, search
from .feedback import Feedback
from .trajectory_plot import draw

if TYPE_CHECKING:
    from ...mllm.backbone import Picture
    from ...mllm.targets import TrainingSet
    from ...sample import Sample
    from .assessor import Assessor
    from .method import Method

    Pairs = Callable[[Sample], tuple[Picture, Picture]]

logger = logging.getLogger(__name__)


def define(
    assessor: Assessor, data: TrainingSet, pairs: Pairs, method: Method, folder: Path, seed: int
) -> dict[str, str]:
    """The best definition of each dimension, by FDMPO; the trajectories are in `folder/definitions`.

    Of several processes one searches, and the others wait and read what it found.
    """
    files = {dimension: folder / "definitions" / f"{dimension}.jsonl" for dimension in assessor.definitions}
    on_main_process(lambda: _search(assessor, data, pairs, method, files, seed))
    return {dimension: Trajectory.read(file).best.definition for dimension, file in files.items()}


def _search(
    assessor: Assessor, data: TrainingSet, pairs: Pairs, method: Method, files: Mapping[str, Path], seed: int
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
        found = search(
            dimension,
            assessor.definitions[dimension],
            feedback,
            lambda text, number: judge.ask(text, round=number).required(),
            trials=method.trials,
            file=file,
            identity=identity,
            on_trial=partial(_report, dimension, method.trials),
        )
        draw(found, file.with_suffix(".svg"))
        logger.info(
            "%s: the best of %d definitions has V_d %.4f (start: %.4f; %d proposals refused): %s",
            dimension, len(found.trials) - found.refused, found.best.value, found.trials[0].value, found.refused,
            found.best.definition,
        )  # fmt: skip


def _optimiser(assessor: Assessor, method: Method) -> Any:
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
    said = f"V_d {trial.value:.4f}" if trial.value is not None else f"refused: {trial.refused}"
    logger.info("%s: definition %d of %d: %s", dimension, trial.number, trials, said)
