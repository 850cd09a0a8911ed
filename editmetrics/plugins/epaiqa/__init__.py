"""EPAIQA: where an image was edited, how well, and why (Qian et al.; sections 4.1 to 4.3).

`metric.py` is the metric; `assessor.py` what is read of one backbone; `prompts.py` what it is asked; `box.py`,
`levels.py` and `answers.py` the forms of what it answers. Training: `fit.py` the three stages, `learner.py` one stage
that learns, `method.py` what the paper leaves open. Chains of thought: `annotate.py` has chat models write and check
them (figure 9). `explanations.py` has a judge compare them with reference answers (section F of the supplement).
"""
