"""Battles of five systems with known strengths, drawn by Python's generator, which is the same in all versions."""

import math
import random

from editmetrics.pairs import Battle

NAMES = ["ada", "bob", "cyd", "dee", "eli"]
STRENGTHS = dict(zip(NAMES, (0.9, 0.4, 0.0, -0.3, -1.0), strict=True))


def drawn():
    """400 battles, a seventh of them ties."""
    draw = random.Random(4)
    for number in range(400):
        first, second = draw.sample(NAMES, 2)
        if draw.random() < 0.15:
            outcome = "tie"
        else:
            wins = draw.random() < 1 / (1 + math.exp(STRENGTHS[second] - STRENGTHS[first]))
            outcome = "win" if wins else "loss"
        yield Battle(first, second, outcome, source=f"s{number % 80}", task="kt"[number % 2])


BATTLES = [*drawn()]
