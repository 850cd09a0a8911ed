"""The training of DS-IEQA (section 3.4): definitions first, then an adapter for each dimension under TDRL.

This module imports modules that import torch, and is itself only imported inside functions.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from ...mllm import raters
from ...mllm.features import FeatureStore
from ...mllm.groups import image_key
from ...mllm.lessons import Lessons, without_unusable
from ...mllm.processes import rank_and_count
from ...mllm.targets import Example, TrainingSet
from ...mllm.validation import mean_merit
from ...sample import SampleError
from ...wording import plural
from .assessor import DigitAssessor
from .definitions import define
from .digit_scale import DigitScale
from .learner import DigitLearner, Pairs, ReadAgreement, collate, spreads_of
from .method import TOGETHER
from .prompts import START_DEFINITIONS

if TYPE_CHECKING:
    from ...mllm.backbone import Backbone, Picture
    from ...mllm.fitting import FitJob
    from ...mllm.recipe import Select


logger = logging.getLogger(__name__)

MEASURED = 8
"""Samples whose images tell how many tokens an image takes."""


def train_stages(job: FitJob, backbone: Backbone, read: str) -> None:
    """Search definitions, train an adapter for each dimension, and write the checkpoint; see `DSIEQA.train_stages`.

    Each dimension is a training of its own, as in the paper; a killed run resumes in the one that it was in.
    """
    data = job.training_set()
    method = job.method
    if job.finished(backbone, data.digest(), **_more(job, data, read)):
        return
    if (terms := method.digit_loss.terms) is not None:
        terms.check(job.recipe, rank_and_count()[1])
    before = START_DEFINITIONS if job.start is None else {**START_DEFINITIONS, **job.start.prompts}
    start = {dimension: before[dimension] for dimension in job.dimensions}
    assessor = DigitAssessor(backbone, start, DigitScale(*data.label_scale))
    _ = assessor.digits  # a backbone whose tokenizer groups digits is refused before anything is computed
    store = open_store(job, assessor, data)
    assessor.features = None if store is None else store.get
    pairs = Pairs(assessor, store, int(method.picture_cache_gb * 1e9))

    def ask(example: Example) -> None:
        for dimension in job.dimensions:
            assessor.prompt(pairs(example.sample), example.sample.prompt or "", dimension)

    data = without_unusable(data, ask)
    job.survey(data.parts)
    spreads = spreads_of(data.train, job.targets, method, assessor.scale)
    if method.optimiser:
        assessor.definitions = define(assessor, data, pairs, job)
    measured: dict[str, ReadAgreement] = {}
    for name, dimensions in adapters_to_train(job).items():
        adapter = job.adapter(name, method.parts)
        definitions = {dimension: assessor.definitions[dimension] for dimension in dimensions}
        one = replace(assessor, definitions=definitions, adapters=dict.fromkeys(dimensions, adapter))
        learner = DigitLearner(one, method, store)
        measure = partial(learner.agreement, pairs, data.validation, job.recipe.validation_batch_size)
        lessons = [
            partial(learner.lesson, pairs, example, dimension, spreads[dimension][row])
            for row, example in enumerate(data.train)
            for dimension in dimensions
        ]
        job.stage(
            name, learner, Lessons(lessons), collate=collate,
            validate=lambda: _merit(measure(), read, job.recipe.select),  # noqa: B023 - called within this iteration
            definitions=definitions,
        )  # fmt: skip
        measured |= measure()
    job.validation.update({name: agreement.all(read) for name, agreement in measured.items()})
    warn_of_unparseable(job)
    reads = {name: agreement.better for name, agreement in measured.items()}
    job.write(data=data.counts(), prompts=assessor.definitions, settings={"read": reads})


def _more(job: FitJob, data: TrainingSet, read: str) -> dict[str, Any]:
    """Settings that decide the result beside data, method and recipe, where they are not the defaults."""
    more = {} if read == "generated" else {"read": read}
    if (suffix := job.method.rater_spread) is not None:
        more["spreads"] = raters.digest(raters.rater_spreads(data.train, job.targets, suffix), data.train)
    return more


def _merit(measured: Mapping[str, ReadAgreement], read: str, select: Select) -> float | None:
    return mean_merit((agreement.of(read) for agreement in measured.values()), select)


def adapters_to_train(job: FitJob) -> dict[str, list[str]]:
    """The dimensions that each adapter learns: its own, as in the paper, or all of them."""
    return {TOGETHER: job.dimensions} if job.method.together else {name: [name] for name in job.dimensions}


def warn_of_unparseable(job: FitJob) -> None:
    """Warn where the trained model is not about to write digits for validation samples: their scores are not given."""
    for dimension, measures in job.validation.items():
        if measures["unparseable"]:
            logger.warning(
                "%s: for %d of %s the trained model is not about to write a digit, so that their scores will be "
                "unparseable; loss=soft or cross_entropy_on_digits=true teaches it to",
                dimension, measures["unparseable"], plural(measures["n"], "validation sample"),
            )  # fmt: skip


def open_store(job: FitJob, assessor: DigitAssessor, data: TrainingSet) -> FeatureStore | None:
    """The store of the images' features, if they do not change in training and there is room for all of them.

    Raises `FeatureError` if there is too little.
    """
    if "vision" in job.method.parts or not job.method.feature_store:
        return None
    store = FeatureStore(job.folder / "features", assessor.backbone, batch=job.method.feature_batch_size)
    samples = [example.sample for example in (*data.train, *data.validation)]
    sources = {image_key(sample.source) for sample in samples}
    some: list[Picture] = []
    for sample in samples[:: max(1, len(samples) // MEASURED)]:
        with suppress(SampleError):  # it is left out later, with the reason
            some += Pairs(assessor, None)(sample)
    if some:
        store.require_room(some, len(samples) + len(sources), job.method.feature_store_gb * 1e9)
    return store
