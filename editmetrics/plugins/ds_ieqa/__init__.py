"""DS-IEQA: define, then score. An assessor of edits that writes its score as digits (arXiv:2604.12175).

`metric.py` is the metric; `assessor.py` what is read of one backbone; `prompts.py` what the backbone is asked;
`digit_scale.py` how ratings become digits. Training: `fit.py` (section 3.4), `method.py` what it leaves open;
`fdmpo.py`, `feedback.py` and `definitions.py` the search for definitions (section 3.2); `tdrl.py` the loss and
`learner.py` one dimension that learns under it (section 3.3).
"""
