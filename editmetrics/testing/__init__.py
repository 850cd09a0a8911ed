"""The public conformance kit: does a metric keep the contract as a built-in one does?

`check_metric("my_metric")` runs every check and raises one error that lists all that is wrong; `conformance_cases`
gives pytest one test for each check. `offline_weights` puts random weights in place of the published ones,
`tiny_backbone` writes a vision-language model that fits a test, `toys` makes the pictures, edits and samples that the
checks use, `rehearsal` is a second device without a GPU. No pytest is needed.
"""

from . import rehearsal, toys
from .backbones import tiny_backbone
from .conformance import CHECKS, Case, ConformanceError, ConformanceReport, check_metric, conformance_cases
from .hooks import offline_weights
from .judges import ScriptedJudge
from .subject import NotApplicable

__all__ = [
    "CHECKS",
    "Case",
    "ConformanceError",
    "ConformanceReport",
    "NotApplicable",
    "ScriptedJudge",
    "check_metric",
    "conformance_cases",
    "offline_weights",
    "rehearsal",
    "tiny_backbone",
    "toys",
]
