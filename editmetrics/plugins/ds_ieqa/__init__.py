"""DS-IEQA: define, then score. An assessor of edits that writes its score as digits (arXiv:2604.12175).

`metric.py` is the metric; `assessor.py` reads one backbone; `prompts.py` has the prompts; `digit_scale.py` maps
ratings to digits. Training: `fit.py` (section 3.4) and its settings, `method.py`; `definitions.py` and `fdmpo.py`,
the search for definitions (section 3.2); `tdrl.py`, the loss, and `learner.py`, one dimension that learns under it
(section 3.3).
"""
