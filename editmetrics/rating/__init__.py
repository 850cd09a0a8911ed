"""Collect people's votes on this machine: what is shown, who voted how, and the page that asks.

`trials` makes a manifest into questions, `session` shows each rater one at a time and keeps the votes, `server` is the
page. Votes on pairs are a log of battles (`editmetrics.pairs.read_battles`), votes on a scale a table of raw ratings
(`editmetrics.agreement.ratings.read_ratings`).
"""

from .server import RatingServer
from .session import RatingSession
from .trials import RatingError, RatingTrial, trials_of

__all__ = ["RatingError", "RatingServer", "RatingSession", "RatingTrial", "trials_of"]
