"""Samples x metrics -> a table: plan, decode once, batch, journal, resume.

`score` is the whole of it; the other modules are its parts, in the order in which a sample meets them: `plan` (which
metrics, are their fields there), `decode` (read, hash and decode a sample's images once), `batches` (what waits for the
accelerator), `record` (the journal that a resumed run reads), `results` (what is known at the end), `table` (the file).
"""

from .plan import PlanError
from .record import RecordError
from .results import Results
from .run import Interrupted, score

__all__ = ["Interrupted", "PlanError", "RecordError", "Results", "score"]
