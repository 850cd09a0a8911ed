"""The papers' protocols by name: a joined table of scores and ratings in, their named figures out.

>>> for protocol in PROTOCOLS.values():
...     print(protocol.about)
NTIRE 2026 X-AIGC track 2: 0.7 S_in + 0.3 S_out over three dimensions
EvalMi-50K: SRCC, PLCC, KRCC of images; SRCC and RMSE of models; accuracy of yes/no answers
HPE-Bench: detection per editing model, SRCC, KRCC and PLCC of three dimensions, ranking of models
EPAIQA-15K: SRCC and PLCC for each type of edit and overall
EBench-18K: SRCC, KRCC, PLCC, RMSE of edits; SRCC per task; SRCC and RMSE of models; accuracy of answers
AGIQA-3K: SRCC, KRCC, PLCC of images, overall and for each model; SRCC and RMSE of models
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from . import agiqa_3k, ebench_18k, epaiqa, evalmi_50k, hpe_bench, ntire_x_aigc_2
from .protocol import Protocol

if TYPE_CHECKING:
    from ...evaluation import evaluate_protocol

PROTOCOLS: dict[str, Protocol] = {
    module.PROTOCOL.name: module.PROTOCOL
    for module in (ntire_x_aigc_2, evalmi_50k, hpe_bench, epaiqa, ebench_18k, agiqa_3k)
}

__all__ = ["PROTOCOLS", "Protocol", "evaluate_protocol"]


def __getattr__(name: str) -> Any:
    """`evaluate_protocol` lives on a higher floor, with the registry below it; this is the same function."""
    if name != "evaluate_protocol":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("...evaluation", __name__).evaluate_protocol
