"""Combine columns of scores into one that predicts people's ratings: `editmetrics.combine`, and the command `combine`.

`inputs` joins the tables, `regressors` fits and predicts, `measuring` tells how well held-out predictions agree,
`cross_validation` puts them together, and `combination` keeps and applies what was fitted.
"""

from __future__ import annotations

from .combination import Combination
from .cross_validation import Combined, combine
from .options import CombineOptions

__all__ = ["Combination", "CombineOptions", "Combined", "combine"]
