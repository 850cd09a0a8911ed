"""Tables of suites against closed forms, published rows, and the published rules for failures."""

from __future__ import annotations

import itertools
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest

from editmetrics import Sample
from editmetrics.judge import Answer
from editmetrics.sample import SampleError
from editmetrics.suites import SUITES, Level, SuiteError
from editmetrics.suites.aggregation import SuiteRow, filled_table, mean_by_levels
from editmetrics.suites.gedit import PER_TASK, TASKS
from editmetrics.suites.imgedit import TYPES
from editmetrics.suites.kris import GROUPS, SAMPLES
from editmetrics.suites.kris import TYPES as TYPES_OF_KRIS
from editmetrics.suites.rise import CATEGORIES
from editmetrics.suites.rows import check_rows, fields_of
from editmetrics.suites.wise import CATEGORIES as WISE_CATEGORIES

PUBLISHED = json.loads(Path(__file__).with_name("published.json").read_text(encoding="utf-8"))
OFFICIAL = json.loads(Path(__file__).with_name("official.json").read_text(encoding="utf-8"))
GEDIT, IMGEDIT, RISE, KRIS = (SUITES[name] for name in ("gedit", "imgedit", "rise", "kris"))
WISE, LEGACY, GENAI = SUITES["wise"], SUITES["wise-legacy"], SUITES["genai-bench"]
RIGHT = {
    "leftvote": ("A>B", "A>>B"), "rightvote": ("B>A", "B>>A"), "tievote": ("A=B=Good", "A=B"),
    "bothbad_vote": ("A=B=Bad", "A=B"),
}  # fmt: skip


def row(sc=None, pq=None, *, task="color_alter", language="en", intersection="yes", unread=(), script=None):
    answers = {name: value for name, value in (("SC", sc), ("PQ", pq)) if value is not None}
    fields = {"task": task, "language": language, "intersection": intersection}
    status = dict(zip([name for name in ("SC", "PQ") if name not in answers], unread, strict=True))
    return SuiteRow(fields, GEDIT.derive(answers), answers, status, script or {})


def cells(suite, rows, table=0):
    filled = filled_table(suite, suite.tables[table], {None: rows})
    return {line.block.heading: dict(zip(filled.headings, line.cells, strict=True)) for line in filled.lines}, filled


def made_up(seed=0, languages=("en", "cn")):
    draw = random.Random(seed)
    return [
        row(
            draw.randint(0, 10),
            draw.randint(0, 10),
            task=task,
            language=language,
            intersection=draw.choice(["yes", "no"]),
        )
        for language in languages
        for task, count in PER_TASK.items()
        for _ in range(count)
    ]


@pytest.mark.parametrize("model", PUBLISHED["gedit"])
def test_published_averages_of_gedit_are_means_of_eleven_task_means(model):
    *tasks, average = PUBLISHED["gedit"][model]
    rows = [  # a task's number stands for each of its samples
        SuiteRow({"task": task, "language": "en"}, {"O": value})
        for task, value in zip(TASKS, tasks, strict=True)
        for _ in range(PER_TASK[task])
    ]
    number = cells(GEDIT, rows)[0]["Full set, English"]["G_O"].value
    assert abs(number - average) <= 0.0051  # the tasks are rounded to two decimals, and so is their mean
    if model == "Bagel-thinking":
        assert abs(np.mean([row.values["O"] for row in rows]) - average) > 0.2


@pytest.mark.parametrize("model", PUBLISHED["imgedit"])
def test_published_overalls_of_imgedit_follow_one_of_its_two_columns(model):
    *types, overall = PUBLISHED["imgedit"][model]
    counts = dict(zip(TYPES, (95, 94, 117, 92, 86, 94, 100, 23, 36), strict=True))
    rows = [
        SuiteRow({"type": name}, {"score": value})
        for name, value in zip(TYPES, types, strict=True)
        for _ in range(counts[name])
    ]
    line = cells(IMGEDIT, rows)[0]["Basic"]
    assert [line[heading].value for heading in list(line)[:9]] == types
    samples = model in ("MagicBrush", "GPT-4o", "Ovis-U1")
    assert abs(line["Overall, samples" if samples else "Overall"].value - overall) < 0.0101
    other = "Overall" if samples else "Overall, samples"
    if model in ("MagicBrush", "GPT-4o", "UniWorld-V1", "OmniGen2"):
        assert abs(line[other].value - overall) > 0.02


def test_gedit_is_what_the_script_computes():
    """Against numpy, step by step as the script: lists by task, their means, the mean of the means."""
    rows = made_up()
    table, filled = cells(GEDIT, rows)
    assert filled.headings == ("G_SC", "G_PQ", "G_O")
    assert list(table) == ["Full set, English", "Full set, Chinese", "Intersection subset, English",
                           "Intersection subset, Chinese"]  # fmt: skip
    for heading, line in table.items():
        language = "en" if "English" in heading else "cn"
        own = [one for one in rows if one.fields["language"] == language]
        own = [one for one in own if "Full" in heading or one.fields["intersection"] == "yes"]
        for number, name in zip(line.values(), ("SC", "PQ", "O"), strict=True):
            means = [np.mean([one.values[name] for one in own if one.fields["task"] == task]) for task in TASKS]
            assert number.value == pytest.approx(np.mean(means), abs=1e-12)
            assert number.n == len(own)
        assert line["G_O"].value != pytest.approx(math.sqrt(line["G_SC"].value * line["G_PQ"].value), abs=0.05)
    by_task, _ = cells(GEDIT, rows, table=1)
    assert len(by_task) == 22
    assert by_task["text_change, Chinese"]["SC"].n == 99


def test_a_task_without_a_number_leaves_the_mean_empty_and_is_named():
    rows = [one for one in made_up(languages=("en",)) if one.fields["task"] != "tone_transfer"]
    cell = cells(GEDIT, rows)[0]["Full set, English"]["G_SC"]
    assert (cell.value, cell.reason) == (None, "no number for tone_transfer")
    rows += [row(task="tone_transfer", unread=("refused", "refused"))]
    assert cells(GEDIT, rows)[0]["Full set, English"]["G_SC"].value is None


def test_a_failure_is_no_number_and_its_guess_is_bounded():
    """5 % refused and 5 % unreadable: ours is the mean of the rest; the script's is in the range that is printed."""
    draw = random.Random(3)
    whole = made_up(1, languages=("en",))
    broken = draw.sample(range(len(whole)), 60)
    rows = list(whole)
    for number, index in enumerate(broken):
        old = whole[index]
        if number % 2:
            rows[index] = row(task=old.fields["task"], unread=("refused", "refused"))
        else:
            rows[index] = row(old.answers["SC"], task=old.fields["task"], unread=("unparseable",))
    line = filled_table(GEDIT, GEDIT.tables[0], {None: rows}).lines[0]
    assert (line.read, dict(line.unread)) == (546, {"refused": 30, "unparseable": 30})
    kept = [one for index, one in enumerate(rows) if index not in broken]
    means = [np.mean([one.values["O"] for one in kept if one.fields["task"] == task]) for task in TASKS]
    cell = line.cells[2]
    assert cell.value == pytest.approx(np.mean(means), abs=1e-12)
    runs = []
    for _ in range(200):  # the script itself, many times
        guessed = []
        for one in rows:
            scores = {name: one.answers.get(name, draw.randint(0, 10)) for name in ("SC", "PQ")}
            guessed.append((one.fields["task"], math.sqrt(scores["SC"] * scores["PQ"])))
        runs.append(np.mean([np.mean([value for name, value in guessed if name == task]) for task in TASKS]))
    rule = cell.published
    assert rule.low < min(runs) <= max(runs) < rule.high
    assert rule.expected == pytest.approx(np.mean(runs), abs=4 * np.std(runs) / math.sqrt(len(runs)))


def test_the_mean_of_a_guess_is_exact():
    rows = [row(4, 9, task=task) for task in TASKS[1:]] + [
        row(4, task=TASKS[0], unread=("refused",)),
        row(4, 9, task=TASKS[0]),
    ]
    rule = cells(GEDIT, rows)[0]["Full set, English"]["G_O"].published
    guess = np.mean([math.sqrt(4 * number) for number in range(11)])
    assert rule.expected == pytest.approx((10 * 6 + (6 + guess) / 2) / 11)
    assert (rule.low, rule.high) == pytest.approx(((60 + 3) / 11, (60 + (6 + math.sqrt(40)) / 2) / 11))
    both = [*rows[:-2], row(task=TASKS[0], unread=("failed", "failed")), row(4, 9, task=TASKS[0])]
    rule = cells(GEDIT, both)[0]["Full set, English"]["G_O"].published
    guess = np.mean([math.sqrt(a * b) for a, b in itertools.product(range(11), repeat=2)])
    assert rule.expected == pytest.approx((60 + (6 + guess) / 2) / 11)


def test_an_answer_that_only_the_script_reads_counts_in_the_published_rule_alone():
    rows = [row(4, 9, task=task) for task in TASKS]
    rows.append(row(4, task=TASKS[0], unread=("unparseable",), script={"PQ": 1}))
    line = filled_table(GEDIT, GEDIT.tables[0], {None: rows}).lines[0]
    cell = line.cells[1]
    assert (cell.value, line.script_reads) == (9, 1)
    assert cell.published.low == cell.published.high == cell.published.expected == pytest.approx((90 + 5) / 11)


def test_unavailable_samples_are_in_no_number():
    rows = [row(4, 9, task=task) for task in TASKS] + [row(task=TASKS[0], unread=("unavailable", "unavailable"))]
    line = filled_table(GEDIT, GEDIT.tables[0], {None: rows}).lines[0]
    assert (line.cells[2].value, line.cells[2].published, line.unread) == (6, None, {"unavailable": 1})


def test_imgedit_rounds_as_its_script_and_leaves_out_what_it_cannot_read():
    scores = {name: [1.33, 2.67, 4.0][: 2 + number % 2] for number, name in enumerate(TYPES)}
    rows = [SuiteRow({"type": name}, {"score": v}, {"score": v}) for name, values in scores.items() for v in values]
    rows.append(SuiteRow({"type": "add"}, {}, {}, {"score": "unparseable"}, {"score": 5.0}))
    line = cells(IMGEDIT, rows)[0]["Basic"]
    means = {name: round(sum(values) / len(values), 2) for name, values in scores.items()}
    assert line["Add"].value == means["add"]
    assert line["Overall"].value == round(sum(means.values()) / 9, 2)
    assert line["Overall, samples"].value == round(float(np.mean([v for values in scores.values() for v in values])), 2)
    assert line["Add"].published.expected == round((1.33 + 2.67 + 5) / 3, 2)


def test_weighted_means_and_steps():
    items = [({"task": task}, value) for task, value in (("a", 1.0), ("a", 3.0), ("b", 7.0))]
    weights = {"a": 0.75, "b": 0.25}
    assert mean_by_levels(items, [Level(("task",)), Level(weights=weights)]) == pytest.approx(0.75 * 2 + 0.25 * 7)
    with pytest.raises(ValueError, match="one number is left"):
        mean_by_levels(items, [Level(("task",))])


def test_rise_counts_and_weighs_as_its_scripts_do():
    """Of April 2026 and of May 2025; with the column consistency_free, and as its weights are meant."""
    for line in OFFICIAL["rise_scores"]:
        category, appearance, *numbers = line.split()
        reasoning, quality, *official = map(float, numbers)
        if category == "logical_reasoning":
            scores = {"logical_consistency": (float(appearance) - 1) / 4, "logical_reasoning": (reasoning - 1) / 4}
        elif appearance == "None":
            scores = {"reasoning_alone": reasoning, "quality": quality}
        else:
            scores = {"consistency": float(appearance), "reasoning": reasoning, "quality": quality}
        made = RISE.derive(scores)
        names = ("complete", "complete_2025", "score_by_script", "score")
        assert [made[name] for name in names] == pytest.approx(official), line
    assert RISE.derive({"reasoning": 5, "quality": 5}) == {}


def test_scores_of_rise_are_percentages():
    fields = {"category": "spatial_reasoning"}
    rows = [SuiteRow(fields, RISE.derive({"consistency": a, "reasoning": 5, "quality": 3})) for a in (1, 5)]
    line = cells(RISE, rows, table=3)[0]["Percent"]
    assert line["Spatial"].value == pytest.approx(25 * (0.8 * 5 + 0.2 * 3 - 1))
    assert line["Overall, weights as meant"].value == pytest.approx(25 * (0.3 * 3 + 0.5 * 5 + 0.2 * 3 - 1))


@pytest.mark.parametrize("model", PUBLISHED["wise"])
def test_published_rows_of_wise_are_weighted_means_of_shares(model):
    overall, *shares = PUBLISHED["wise"][model]
    rows = []
    for share, (category, (first, last)) in zip(shares, WISE_CATEGORIES.items(), strict=True):
        count = last - first + 1
        right = round(share * count)
        assert round(right / count, 4) == share
        rows += [SuiteRow({"category": category}, {"score": float(n < right)}) for n in range(count)]
    line = cells(WISE, rows)[0]["Verified"]
    assert [round(cell.value, 4) for cell in line.values()] == [overall, *shares]
    broken = SuiteRow({"category": "CULTURE"}, {}, {}, {"score": "refused"})
    assert cells(WISE, [*rows[1:], broken])[0]["Verified"]["CULTURE"].n == 399


@pytest.mark.parametrize("model", PUBLISHED["genai"])
def test_published_accuracies_of_genai_bench_are_shares_of_agreement(model):
    """Those of the README, from the authors' votes; an answer without a verdict is wrong there and left out here."""
    rows, right, read = [], dict.fromkeys(PUBLISHED["genai"][model], 0), dict.fromkeys(PUBLISHED["genai"][model], 0)
    for task, by_vote in PUBLISHED["genai"][model].items():
        edit = "yes" if task == "image_edition" else "no"
        for vote, verdicts in by_vote.items():
            (ask,) = (ask for ask in GENAI.judges[0].asks if ask.when == {"edit": (edit,), "vote": (vote,)})
            for text, count in verdicts.items():
                fields = {"edit": edit, "vote": vote}
                try:
                    answers = ask.read(Answer(text)).values
                except SampleError as error:
                    broken = SuiteRow(fields, {}, {}, {ask.name: error.status}, ask.by_script(text))
                    rows += [broken] * count
                    continue
                rows += [SuiteRow(fields, GENAI.derive(answers), answers)] * count
                read[task] += count
                right[task] += count * int(text.strip("[]") in RIGHT[vote])
    line = cells(GENAI, rows)[0]["Accuracy, percent"]
    for task, cell, published in zip(right, line.values(), PUBLISHED["genai_table"][model], strict=True):
        by_script = cell.value if cell.published is None else cell.published.expected
        assert round(by_script, 2) == published
        assert cell.value == pytest.approx(100 * right[task] / read[task])


def test_the_category_of_wise_is_in_its_number():
    ids = (1, 400, 401, 520, 521, 640, 641, 760, 761, 880, 881, 1000)
    samples = [Sample(f"out/{one}", edited=f"out/{one}.png") for one in ids]
    assert [fields_of(WISE, sample)["category"] for sample in samples] == [n for n in WISE_CATEGORIES for _ in "ab"]
    for one, category in ((567, "TIME"), (568, "SPACE"), ("700.0", "SPACE"), (701, "BIOLOGY"), (1000, "CHEMISTRY")):
        row = Sample("a", edited="b.png", meta={"prompt_id": one})
        assert fields_of(SUITES["wise-legacy"], row) == {"category": category}
    with pytest.raises(SuiteError, match="column prompt_id of a manifest, a number from 1 to 1000; a file of that na"):
        check_rows(WISE, [Sample("a", edited="1001.png")])
    with pytest.raises(SuiteError, match="the column has 1001"):
        check_rows(WISE, [Sample("a", edited="7.png", meta={"prompt_id": 1001})])


def test_the_first_edition_of_wise_weighs_its_three_scores():
    scores = {"consistency": 2, "realism": 1, "aesthetic_quality": 0}
    rows = [SuiteRow({"category": name}, LEGACY.derive(scores)) for name in WISE_CATEGORIES]
    assert cells(LEGACY, rows)[0]["First edition"]["Overall"].value == pytest.approx((0.7 * 2 + 0.2) / 2)
    rows[1] = SuiteRow({"category": "TIME"}, LEGACY.derive(dict.fromkeys(scores, 0)))
    assert cells(LEGACY, rows)[0]["First edition"]["Overall"].value == pytest.approx(0.8 * (1 - 0.167))
    assert "WiScore" not in LEGACY.derive({"consistency": 2, "realism": 1})


@pytest.mark.parametrize(
    ("complete", "overall"), [((49, 56, 62, 18), 51.4), ((39, 60, 50, 29), 49.4)], ids=["GPT-Image-1.5", "GPT-Image-2"]
)
def test_published_accuracies_of_rise_are_shares_of_samples(complete, overall):
    """The README's rows: 57.6 62.2 62.0 21.2 | 51.4 of 85, 90, 100 and 85 samples; their mean is 50.8."""
    rows = []
    for right, (category, (_, count)) in zip(complete, CATEGORIES.items(), strict=True):
        rows += [SuiteRow({"category": category}, {"complete": float(n < right)}) for n in range(count)]
    line = cells(RISE, rows)[0]["Accuracy, percent"]
    assert [round(line[name].value, 1) for name in ("Temporal", "Causal", "Spatial", "Logical")] == [
        round(100 * right / count, 1) for right, (_, count) in zip(complete, CATEGORIES.values(), strict=True)
    ]
    assert round(line["Overall"].value, 1) == overall


def test_a_failed_sample_of_rise_is_left_out_and_the_script_calls_it_wrong():
    right = {"consistency": 5, "reasoning": 5, "quality": 5}
    fields = {"category": "causal_reasoning"}
    rows = [SuiteRow(fields, RISE.derive(right), right)] * 3
    rows.append(SuiteRow(fields, {}, {"reasoning": 5, "quality": 5}, {"consistency": "refused"}))
    cell = cells(RISE, rows)[0]["Accuracy, percent"]["Causal"]
    assert (cell.value, cell.n, cell.published.low, cell.published.high) == (100, 3, 75, 75)
    read = SuiteRow(fields, {}, {"reasoning": 5, "quality": 5}, {"consistency": "unparseable"}, {"consistency": 5})
    assert cells(RISE, [*rows[:3], read])[0]["Accuracy, percent"]["Causal"].published.low == 100


def test_published_averages_of_kris_are_weighted_by_samples_or_by_scores():
    """Bagel's table, whose averages weigh scores; by the authors' rule the same types give 51.55 and 56.40."""
    types = dict(zip(TYPES_OF_KRIS, (64.27, 62.42, 42.45, 55.40, 56.01, 52.54, 50.56), strict=True))
    rows = [
        SuiteRow({"category": category, "type": name}, {"AVG": types[name]})
        for name, categories in TYPES_OF_KRIS.items()
        for category in categories
        for _ in range(SAMPLES[category])
    ]
    line = cells(KRIS, rows)[0]["All"]
    assert len(rows) == KRIS.rows == sum(SAMPLES.values()) == 1267
    assert [cell.value for cell in list(line.values())[:7]] == pytest.approx([*types.values()])
    published = {"Factual": 60.26, "Conceptual": 55.86, "Procedural": 51.55, "Overall": 56.40, "Overall, scores": 56.21}
    for heading, number in published.items():
        assert abs(line[heading].value - number) < 0.0101  # the types are rounded to two decimals
    without = [row for row in rows if row.fields["type"] != "temporal"]  # of a model that takes one image
    line = cells(KRIS, without)[0]["All"]
    assert (line["Temporal"].value, line["Factual"].value, line["Overall"].value) == (None, None, None)
    assert line["Conceptual"].value == pytest.approx(published["Conceptual"], abs=0.0101)


@pytest.mark.parametrize(
    ("factual", "conceptual", "procedural", "overall"),
    [
        (53.28, 50.36, 42.53, 49.54),
        (61.47, 56.79, 47.07, 56.15),
        (53.05, 54.34, 44.66, 51.59),
        (58.23, 60.55, 46.21, 56.33),
        (59.79, 62.76, 49.78, 58.63),
        (62.44, 65.72, 50.42, 60.93),
    ],
)
def test_rows_of_the_authors_of_kris_follow_its_weights(factual, conceptual, procedural, overall):
    groups = {"Factual": factual, "Conceptual": conceptual, "Procedural": procedural}
    of_type = {name: groups[heading] for heading, types in GROUPS.items() for name in types}
    rows = [
        SuiteRow({"type": name, "category": one}, {"AVG": of_type[name]})
        for name, own in TYPES_OF_KRIS.items()
        for one in own
    ]
    assert abs(cells(KRIS, rows)[0]["All"]["Overall"].value - overall) < 0.0101
