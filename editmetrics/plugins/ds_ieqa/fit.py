"""The training of DS-IEQA (section 3.4): definitions first, then an adapter for each dimension under TDRL.

This module imports modules that import torch, and is itself only imported inside functions.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from ...mllm.features import FeatureStore
from ...mllm.lessons import Lessons, without_unusable
from ...mllm.targets import Example
from ...mllm.validation import merit
from .assessor import DigitAssessor
from .definitions import define
from .digit_scale import DigitScale
from .learner import DigitLearner, Pairs
from .prompts import START_DEFINITIONS

if TYPE_CHECKING:
    from ...mllm.backbone import Backbone
    from ...mllm.fitting import FitJob


def train_stages(job: FitJob, backbone: Backbone, read: str) -> None:
    """Search definitions, train an adapter for each dimension, and write the checkpoint; see `DSIEQA.train_stages`.

    Each dimension is a training of its own, as in the paper; a killed run resumes in the one that it was in.
    """
    data = job.training_set()
    if job.finished(backbone, data.digest()):
        return
    method = job.method
    start = {dimension: START_DEFINITIONS[dimension] for dimension in job.dimensions}
    assessor = DigitAssessor(backbone, start, DigitScale(*data.label_scale))
    _ = assessor.digits  # a backbone whose tokenizer groups digits is refused before anything is computed
    store = None if "vision" in method.parts else FeatureStore(job.folder / "features", backbone)
    assessor.features = None if store is None else store.get
    pairs = Pairs(assessor, store)

    def ask(example: Example) -> None:
        for dimension in job.dimensions:
            assessor.prompt(pairs(example.sample), example.sample.prompt or "", dimension)

    data = without_unusable(data, ask)
    job.survey(data.parts)
    if method.optimiser:
        assessor.definitions = define(assessor, data, pairs, job)
    for dimension in job.dimensions:
        definition = assessor.definitions[dimension]
        adapter = job.adapter(dimension, method.parts)
        one = replace(assessor, definitions={dimension: definition}, adapters={dimension: adapter})
        learner = DigitLearner(one, dimension, method, store)
        measure = partial(learner.agreement, pairs, data.validation, read)
        job.stage(
            dimension, learner, Lessons([partial(learner.lesson, pairs, example) for example in data.train]),
            validate=lambda: merit(measure(), job.recipe.select),  # noqa: B023 - called within this iteration
            dimension=dimension, definition=definition,
        )  # fmt: skip
        job.validation[dimension] = measure()
    job.write(data=data.counts(), prompts=assessor.definitions)
