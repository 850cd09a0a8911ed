"""EPAIQA: where an image was edited, how well, and why (Qian et al.; sections 4.1 to 4.3).

`metric.py` is the metric; `assessor.py` reads one backbone; `prompts.py` has the prompts; `box.py`, `levels.py` and
`answers.py` the forms of the answers. Training: `fit.py` the three stages, `lessons.py` their questions,
`learner.py` one stage that learns, `method.py` the settings. Chains of thought: `annotate.py` has chat models write
and check them (figure 9); `explanations.py` has a judge compare them with reference answers (section F of the
supplement); `command.py` is both commands.
"""
