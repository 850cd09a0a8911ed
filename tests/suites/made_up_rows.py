"""Made-up rows of text-to-image benchmarks in the form of their files, and made-up answers."""

from __future__ import annotations

import json
import random

SKILLS = ("object", "attribute", "count", "position", "verb")


def geneval2_rows():
    """Two prompts for each number of atoms, with questions of every skill."""
    rows = []
    for number in range(16):
        atoms = 3 + number // 2
        asked = [
            (f"How many things of kind {number} are in the image?", ("one", "two", "four", "seven")[number % 4]),
            *((f"Is part {one} of {number} there?", "Yes") for one in range(atoms)),
        ]
        skills = [SKILLS[(number + one) % 5] for one in range(len(asked))]
        rows.append({"prompt": f"prompt {number}", "atom_count": atoms, "vqa_list": asked, "skills": skills})
    return rows


def json_lines(rows):
    """The rows as a file of JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def probabilities(rows, seed=7):
    """A probability for each question, one of them 0."""
    draw = random.Random(seed)
    lists = [[round(draw.random(), 6) for _ in row["vqa_list"]] for row in rows]
    lists[4][1] = 0.0
    return lists


WANTED = {
    "en": (["FRESH Brews, every morning!", "Open 24/7"], ["Café crème", "à la carte"], ["No text recognized"],
           ["the the cat"]),
    "zh": (["每日新鲜烘焙", "Café 24 小时"], ["欢迎 光临"], ["的的的"], ["ABC abc"]),
}  # fmt: skip
READ = {
    "en": ("fresh brews every\nevery evening OPEN 247", "addCriterion CAFÉ CREME a la carte", "No text recognized.",
           "the addCriterion dog\u3000the the"),
    "zh": ("每日 新鲜 24café", "欢迎光", "的, No text recognized.的", "addCriterionABCabC"),
}  # fmt: skip
"""Texts that images should show, and what a model read in them."""


def longtext_files():
    """The rows of both languages as files of JSON lines."""
    return {
        language: json_lines([{"prompt_id": number, "text": text} for number, text in enumerate(texts)])
        for language, texts in WANTED.items()
    }


def graph_rows(name, count=4):
    """Prompts of a category with questions that depend on each other; no question depends on a later one."""
    draw, rows = random.Random(name), {}
    for prompt in range(count):
        questions = {number: f"Is {name} {prompt} of kind {number}?" for number in range(1, draw.randint(4, 9))}
        parents = {n: sorted(draw.sample(range(1, n), min(n - 1, draw.randint(0, 2)))) or [0] for n in questions}
        rows[f"{prompt:03}"] = {"question": json.dumps(questions), "dependency": json.dumps(parents)}
    return rows


def answer_to(question, tile, odd=False):
    """A made-up answer to a question about a tile, from 1; `odd` ones are of another form at times."""
    draw = random.Random(f"{question} {tile}")
    answer = draw.choice(("Yes", "Yes", "No"))
    return draw.choice((f"{answer}.", answer, answer)) if odd else answer


class Results:
    """Samples and their scores, as a run of one metric has them."""

    systems = (None,)

    def __init__(self, samples, scores):
        self.samples, self.scores = samples, scores

    def __getitem__(self, name):
        return self.scores
