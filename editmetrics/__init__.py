"""editmetrics: how good is an edited or generated image?

The public names below are imported when they are first used, so that `import editmetrics` is quick and loads no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_WHERE = {
    "create_metric": "registry",
    "list_metrics": "registry",
    "metric_class": "registry",
    "Collection": "scoring.collection",
    "score": "scoring",
    "combine": "combining",
    "evaluate": "evaluation",
    "LearnedMetric": "learned_metric",
    "Metric": "metric",
    "Dimension": "sample",
    "EditMetricsError": "sample",
    "Sample": "sample",
    "SampleError": "sample",
    "Score": "sample",
}
__all__ = sorted(_WHERE)

if TYPE_CHECKING:
    from .combining import combine
    from .evaluation import evaluate
    from .learned_metric import LearnedMetric
    from .metric import Metric
    from .registry import create_metric, list_metrics, metric_class
    from .sample import Dimension, EditMetricsError, Sample, SampleError, Score
    from .scoring import score
    from .scoring.collection import Collection


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'editmetrics' has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_WHERE[name]}", __name__), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
