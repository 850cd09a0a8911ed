"""Samples x metrics -> a table: plan, decode once, batch, journal, resume.

`score` (in `run`) is the whole of it on one machine; `ray_engine` spreads it over a cluster, `shards` over independent
commands. The other modules are its parts, in the order in which a sample meets them: `plan` (which metrics, and whether
their fields are there), `decode` (read, hash and decode a sample's images once), `loop` (threads and batches), `record`
(the journal that a resumed run reads), `results` (what is known at the end, and its table).
"""

from .loop import Interrupted
from .plan import EngineError, PlanError
from .results import Results
from .run import RunOptions, score, score_loaded

__all__ = ["EngineError", "Interrupted", "PlanError", "Results", "RunOptions", "score", "score_loaded"]
