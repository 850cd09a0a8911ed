"""Made-up rows of text-to-image benchmarks in the form of their files, and made-up answers."""

from __future__ import annotations

import csv
import io
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


CATEGORIES = (
    "entity - whole",
    "attribute - color",
    "attribute - other",
    "relation - spatial",
    "global",
    "other - count",
)


def dpg_table(items=7):
    """The propositions of made-up items, as a csv file; the script loses the first row, and with it the first item."""
    file = io.StringIO()
    table = csv.writer(file)
    table.writerow(
        ["item_id", "text", "keywords", "proposition_id", "dependency", "category_broad", "category_detailed", "tuple",
         "question_natural_language"]
    )  # fmt: skip
    draw = random.Random(5)
    for item in range(items):
        for number in range(1, draw.randint(4, 9)):
            parents = sorted(draw.sample(range(1, number), min(number - 1, 1 + draw.randint(0, 1)))) or [0]
            category = CATEGORIES[(number + item) % 6]
            cells = [",".join(map(str, parents)), category, category, f"{category} (thing {number}, of {item})"]
            table.writerow(
                [f"item{item}", f"text {item}", "", number, *cells, f"Is thing {number}, of {item}, in the image?"]
            )
    return file.getvalue()


def dpg_answers(side=8, images=7):
    """The answers of all four tiles, in lines as the script writes them; an odd one is neither yes nor no."""
    rows = list(csv.DictReader(io.StringIO(dpg_table())))[1:]
    boxes = [(x, y, x + side, y + side) for y in (0, side) for x in (0, side)]
    return "".join(
        f"images/item{image}.png, {box}, {row['question_natural_language']}, {dpg_answer(row, tile)}\n"
        for image in range(images)
        for tile, box in enumerate(boxes[: 1 if image == 0 else 4], 1)  # the script stops after the first of item0
        for row in rows
        if row["item_id"] == f"item{image}"
    )


def dpg_answer(row, tile):
    """One of them."""
    return answer_to(row["question_natural_language"], tile, odd=row["proposition_id"] == "5").lower()


class Results:
    """Samples and their scores, as a run of one metric has them."""

    systems = (None,)

    def __init__(self, samples, scores):
        self.samples, self.scores = samples, scores

    def __getitem__(self, name):
        return self.scores
