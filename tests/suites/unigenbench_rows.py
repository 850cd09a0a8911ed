"""Made-up rows of UniGenBench in the form of its files, with texts that stand in for its own, and answers to them."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
from PIL import Image

TEMPLATES = {
    "English": "Look for {testpoint} of 「{prompt}」.\n{explanation} {test_explanation}\n<prompt>{prompt}</prompt>",
    "Chinese": "「{prompt}」 {testpoint}\n{explanation}\n{test_explanation} {prompt}",
}
"""In the place of the published texts, which have no licence."""

EXPLAINED = {
    "EXPLANATION_DICT_EN": {
        "Style": "how it's made",
        "Attribute - Color": "the colours",
        "Action - Full-body (Character/Anthropomorphic)": "a {whole} body",
        "Action - State": "what lasts",
    },
    "EXPLANATION_DICT_ZH": {"风格": "风格的说明", "属性-颜色": "颜色", "动作-状态": "状态"},
}
ROWS = {
    "en": (
        ('A "red" {cup}, it\'s in ink', {"Style": "ink", "Attribute - Color": 'a "red" {cup}'}),
        ("A man\nruns", {"Action - Full-body (Character/Anthropomorphic)": "it's running", "Action - State": "a, b"}),
    ),
    "zh": (("红色的杯子", {"风格": "水墨", "属性-颜色": "红色"}), ("他睡着", {"动作-状态": "睡"})),
}
KEYS = {"en": ("Testpoints", "Testpoint Description"), "zh": ("考点", "考点对应描述")}


def lists(analysis, scores):
    """An answer with these two lists as Python writes them."""
    return f"<description><analysis>{analysis}</analysis>\n<score> {scores} </score></description>"


ANSWERS = {
    "en": (
        (lists(["ink", "it's 'red'"], [1, 0]), lists(["a", "b"], [1, 1]), lists(["a", "b"], [1, 1, 1]), "no"),
        (lists(["a", "b"], [0, 1]), lists(["a", "b"], [1, 0.5]), lists(["a", "b"], [True, False]),
         lists(["a", None], ["1", 1])),
    ),
    "zh": (
        (lists(["水墨", "红"], [1, 1]), "<score>[1, 1]</score>", lists(["a", "b"], "1, 0"), lists(["a"], [1, 1])),
        (lists(["睡"], [1]), lists(["睡"], "[1"), lists(["睡"], [2]), lists(["睡"], [0])),
    ),
}  # fmt: skip
"""By language, prompt and image: what a judge says. Some of it cannot be read, and some only the script reads."""


def table_of(language):
    """The rows of a language as the benchmark's csv file."""
    file = io.StringIO(newline="")
    table = csv.writer(file)
    table.writerow(["index", f"prompt_{language}", f"sub_dims_{language}"])
    for index, (prompt, points) in enumerate(ROWS[language]):
        cells = dict(zip(KEYS[language], ([*points], [*points.values()]), strict=True))
        table.writerow([index, prompt, json.dumps({"Subjects": "x", **cells}, ensure_ascii=False)])
    return file.getvalue()


def code():
    """The file of explanations."""
    return "".join(f"{name} = {explained!r}\n" for name, explained in EXPLAINED.items())


def write_images(folder):
    """Four images of each prompt, whose colour says which: red its language, green its index, blue its number."""
    for red, language in enumerate(ROWS):
        (folder / language).mkdir(parents=True)
        for green in range(2):
            for blue in range(4):
                pixels = np.full((16, 24, 3), (red, green, blue), np.uint8)
                Image.fromarray(pixels).save(folder / language / f"{green}_{blue}.png")
    return folder
