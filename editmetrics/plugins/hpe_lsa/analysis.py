"""Layer-sensitivity analysis of a backbone: images in, a profile of its layers out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ...sample import EditMetricsError, Sample
from .assessor import BATCH
from .lsa import LayerProfile, LayerStatistics

if TYPE_CHECKING:
    from .assessor import Assessor

logger = logging.getLogger(__name__)


def analyse(
    assessor: Assessor,
    real: Sequence[Sample],
    edited: Sequence[Sample],
    *,
    batch_size: int = BATCH,
    on_images: Callable[[int], object] | None = None,
    **statistics: Any,
) -> LayerProfile:
    """The profile of all layers of the assessor's backbone on real and edited images, each looked at alone.

    - `real`, `edited`: samples, of which `sample.edited` is the image; one that cannot be read is left out and logged.
    - `on_images`: called after each batch with how many images that were.
    - `statistics`: keywords of `LayerStatistics`.
    """
    found = LayerStatistics(assessor.backbone.num_layers, assessor.backbone.hidden_size, **statistics)
    for samples, is_edited in ((real, False), (edited, True)):
        for start in range(0, len(samples), batch_size):
            some = samples[start : start + batch_size]
            prompts = []
            for sample in some:
                try:
                    prompts.append(assessor.single(sample.edited))
                except EditMetricsError as error:
                    logger.warning("%s is left out: %s", sample.id, error)
            if prompts:
                found.add(assessor.states_of_all_layers(prompts).cpu().numpy(), edited=is_edited)
            if on_images is not None:
                on_images(len(some))
    return found.profile()
