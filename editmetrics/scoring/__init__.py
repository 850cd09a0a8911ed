"""Samples x metrics -> a table: plan, decode once, batch, journal, resume.

`score` (in `run`) plans a run and carries it out on one machine; `ray_engine` spreads it over a cluster, `shards` over
independent commands. The other modules are its parts, in the order in which a sample meets them: `decode` (read, hash
and decode a sample's images once), `loop` (threads and batches), `record` (the journal that a resumed run reads),
`results` (the columns of a run, its scores and their table).
"""

from .loop import Interrupted
from .results import EngineError, PlanError, Results
from .run import RunOptions, score, score_loaded

__all__ = ["EngineError", "Interrupted", "PlanError", "Results", "RunOptions", "score", "score_loaded"]
