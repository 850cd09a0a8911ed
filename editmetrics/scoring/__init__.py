"""Samples x metrics -> a table: plan, decode once, batch, journal, resume.

`score` is the whole of it on one machine; `ray_engine` spreads it over a cluster, `shards` over commands that know
nothing of one another. The other modules are its parts, in the order in which a sample meets them: `plan` (which
metrics, are their fields there), `decode` (read, hash and decode a sample's images once), `batches` (what waits for the
accelerator), `record` (the journal that a resumed run reads), `results` (what is known at the end), `table` (the file).
"""

from .plan import PlanError
from .ray_engine import EngineError
from .results import Results
from .run import Interrupted, score, score_loaded

__all__ = ["EngineError", "Interrupted", "PlanError", "Results", "score", "score_loaded"]
