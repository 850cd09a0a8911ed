"""Sets of preferences: the readers, and each script's rule, written again here, on random scores with ties."""

import itertools
import json

import numpy as np
import polars
import pytest
from PIL import Image

from editmetrics.agreement.protocols import PROTOCOLS
from editmetrics.benchmarks.benchmark import BenchmarkError
from editmetrics.benchmarks.catalogue import benchmark, published
from editmetrics.benchmarks.evaluation import evaluate
from editmetrics.benchmarks.load import load
from editmetrics.benchmarks.mmrb2_images.reader import BENCHMARK as MMRB2

LETTERS = {1: "A", -1: "B"}


def lines_of(protocol, table):
    return {(line.group, line.measure): line for line in PROTOCOLS[protocol].run(table)}


def test_mmrb2_counts_each_order_s_answer_by_itself():
    """As compute_task_accuracy: what is shown second is named B, and a contradiction is right once."""
    rng = np.random.default_rng(3)
    rows = [
        (rng.choice([1, -1]), *rng.choice([1, -1], 2, p=[0.6, 0.4]), rng.choice(["t2i", "edit"])) for _ in range(80)
    ]
    table = {"rating.preference": [], "score.preference": [], "task": [], "verdict": [], "orders": []}
    right = {"t2i": [], "edit": []}
    first_right, second_right = (np.mean([row[0] == row[order] for row in rows]) for order in (1, 2))
    assert first_right != second_right
    for chosen, first, second, task in rows:
        forward, reverse = LETTERS[first], LETTERS[-second]  # the letters that the judge says
        flipped = {"A": "B", "B": "A"}[reverse]
        right[task] += [forward == LETTERS[chosen], flipped == LETTERS[chosen]]
        ended = "inconsistent" if first != second else "win" if first > 0 else "loss"
        cells = (chosen, (first + second) / 2, task, ended, f"{first}, {second}")
        for name, cell in zip(table, cells, strict=True):
            table[name].append(cell)
    lines = lines_of("mmrb2-images", table)
    for task, answers in right.items():
        assert lines[f"task={task}", "accuracy"].value == pytest.approx(np.mean(answers))
    assert lines["all", "accuracy"].value == pytest.approx(np.mean([*right["t2i"], *right["edit"]]))
    both = np.mean([chosen == first == second for chosen, first, second, _ in rows])
    assert lines["all", "accuracy_both_orders"].value == pytest.approx(both)
    assert both < lines["all", "accuracy"].value
    assert lines["all", "accuracy"].n == 80


def test_mmrb2_of_a_judge_that_always_says_a(copies):
    part = load("mmrb2-images", copies["mmrb2-images"]).chosen(partial=True)
    names = [sample.id for sample in part.samples]
    answers = {"id": names, "judge.preference": [0.0] * len(names), "judge.outcome": ["inconsistent"] * len(names)}
    answers["judge.orders"] = ["1, -1"] * len(names)
    result = evaluate(part, answers).agreement
    assert result.value("judge", "accuracy", "preference") == 0.5
    assert result.value("judge", "accuracy_both_orders", "preference") == 0.0
    assert {line.score for line in result.lines} == {"judge"}


def ranked(rng, prompts):
    """Rankings with and without ties of several sizes, and scores that know a little of them."""
    for number in range(prompts):
        size = int(rng.integers(2, 6))
        ranks = rng.integers(1, size + 1, size)
        yield ranks, np.round(rng.normal(0, 1, size) - 0.5 * ranks, 2 if number % 2 else 9)


def as_table(sets):
    table = {name: [] for name in ("item", "rating.preference", "score.preference")}
    for number, (ranks, scores) in enumerate(sets):
        for i, j in itertools.combinations(range(len(ranks)), 2):
            for name, cell in zip(
                table, (f"{number}", np.sign(ranks[j] - ranks[i]), scores[i] - scores[j]), strict=True
            ):
                table[name].append(cell)
    return table


def inversion_score(predicted, ranks):
    """HPS v2's: pairs that are turned around, and no others, are wrong."""
    size = len(ranks)
    pairs = itertools.combinations(range(size), 2)
    turned = sum((predicted[i] - predicted[j]) * (ranks[i] - ranks[j]) < 0 for i, j in pairs)
    return 1 - turned / (size * (size - 1) / 2)


def test_hpd_v2_is_the_mean_over_prompts_of_pairs_that_are_not_turned():
    sets = [(ranks, scores) for ranks, scores in ranked(np.random.default_rng(4), 60) if len({*scores}) == len(scores)]
    assert any(len({*ranks}) < len(ranks) for ranks, _ in sets)
    expected = [inversion_score(np.argsort(np.argsort(-scores)), ranks) for ranks, scores in sets]
    line = lines_of("hpd-v2", as_table(sets))["all", "accuracy"]
    assert line.value == pytest.approx(np.mean(expected))
    assert (line.n, line.excluded) == (len(sets), 0)
    assert line.low < line.value < line.high
    equal = lines_of("hpd-v2", as_table([(np.array([1, 2, 2]), np.zeros(3))]))["all", "accuracy"]
    assert equal.value == pytest.approx(1 / 3)  # the pair that people tie is right, the equal scores of the others not


def test_a_prompt_without_a_score_is_left_out_whole():
    table = as_table([(np.array([1, 2, 3]), np.array([3.0, 2, 1])), (np.array([1, 2, 3]), np.array([1.0, 2, 3]))])
    table["score.preference"][0] = None
    line = lines_of("hpd-v2", table)["all", "accuracy"]
    assert (line.value, line.n, line.excluded) == (0.0, 1, 1)


def test_imagereward_db_over_pairs_and_by_prompt():
    sets = [(r, s) for r, s in ranked(np.random.default_rng(5), 60) if len({*r}) > 1]
    prompts = []
    for ranks, scores in sets:
        pairs = [(i, j) for i, j in itertools.permutations(range(len(ranks)), 2) if ranks[i] < ranks[j]]
        prompts.append([scores[i] > scores[j] for i, j in pairs])
    lines = lines_of("imagereward-db", as_table(sets))
    assert lines["all", "accuracy"].value == pytest.approx(np.mean([*itertools.chain(*prompts)]))
    assert lines["all", "accuracy_by_prompt"].value == pytest.approx(np.mean([np.mean(p) for p in prompts]))
    assert lines["all", "accuracy"].n == sum(map(len, prompts))
    assert lines["all", "accuracy_by_prompt"].n == len(prompts)


def pick_accuracy(logits, labels, threshold):
    """As eval_preference_predictor.py: softmax, a tie threshold on the probabilities, half for one-sided ties."""
    credit = []
    for (zero, one), label in zip(logits, labels, strict=True):
        exp = np.exp(np.array([zero, one]) - max(zero, one))
        p0, p1 = exp / exp.sum()
        predicted = 0.5 if abs(p1 - p0) <= threshold else 1.0 if p0 > p1 else 0.0
        credit.append(1 if predicted == label else 0.5 if 0.5 in (predicted, label) else 0)
    return np.mean(credit)


@pytest.mark.parametrize("scale", [0.3, 3.0])
def test_pickapic_takes_the_threshold_of_the_other_split(scale):
    rng = np.random.default_rng(6)
    labels = rng.choice([0, 0.5, 1], 120, p=[0.35, 0.3, 0.35])
    logits = rng.normal(0, scale, (120, 2))
    logits[:, 0] += scale * 2 * (labels - 0.5)
    gaps, split = logits[:, 0] - logits[:, 1], ["validation_unique"] * 60 + ["test_unique"] * 60
    table = {"rating.preference": 2 * labels - 1, "score.preference": gaps, "split": split}
    lines = lines_of("pickapic-v1", table)
    grid = [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1]
    best = grid[int(np.argmax([pick_accuracy(logits[:60], labels[:60], t) for t in grid]))]
    assert 0 < best < 1
    assert lines["all", "accuracy"].value == pytest.approx(pick_accuracy(logits[60:], labels[60:], best))
    assert lines["all", "accuracy"].n == 60
    own = [np.tanh(abs(gap) / 2) for gap in [0, *gaps[:60]]]
    finest = max(pick_accuracy(logits[:60], labels[:60], t * (1 + 1e-12)) for t in own)
    moved = {**table, "split": ["test_unique", "validation_unique"] * 60}  # the same pairs in both splits
    moved = {
        name: [cell for cell in cells for _ in (0, 1)] if name != "split" else cells for name, cells in moved.items()
    }
    moved = {name: cells[:120] for name, cells in moved.items()}
    assert lines_of("pickapic-v1", moved)["all", "accuracy_own_threshold"].value == pytest.approx(finest)
    strict = [gap * (label - 0.5) > 0 for gap, label in zip(gaps[60:], labels[60:], strict=True) if label != 0.5]
    assert lines["all", "pairs_without_ties"].value == pytest.approx(np.mean(strict))


def test_pickapic_without_the_other_split_has_no_threshold_and_no_number():
    table = {"rating.preference": [1, -1], "score.preference": [1.0, 1.0], "split": ["test_unique"] * 2}
    lines = lines_of("pickapic-v1", table)
    assert lines["all", "accuracy"].value is None
    assert "validation_unique" in lines["all", "accuracy"].note
    assert lines["all", "pairs_without_ties"].value == 0.5


def test_pickapic_gives_a_contradiction_nothing_even_where_the_user_ties():
    table = {"rating.preference": [0, 0, 1, 1], "score.preference": [0.0, 0.5, 0.5, 0.0]}
    table["split"] = ["validation_unique", "test_unique", "test_unique", "test_unique"]
    table["verdict"] = ["tie", "inconsistent", "win", "tie"]
    assert lines_of("pickapic-v1", table)["all", "accuracy"].value == pytest.approx((0 + 1 + 0.5) / 3)


def test_genai_bench_has_both_kinds_of_tie_and_a_threshold_for_each_task(copies):
    copy = load("genai-bench-tiger", copies["genai-bench-tiger"])
    ties = {s.meta["vote"] for s in copy.samples if s.meta["preference"] == 0}
    assert ties == {"tievote", "bothbad_vote"}
    rng = np.random.default_rng(7)
    people, gaps = rng.choice([-1, 0, 1], 60), np.round(rng.normal(0, 1, 60), 1)
    task = np.array(["image_edition"] * 30 + ["image_generation"] * 30)
    gaps[30:] *= 100  # another threshold
    gaps += people * np.abs(gaps)
    lines = lines_of("genai-bench-tiger", {"rating.preference": people, "score.preference": gaps, "task": task})
    for name in ("image_edition", "image_generation"):
        h, g = people[task == name], gaps[task == name]
        best = max(np.mean(np.where(h == 0, abs(g) <= t, (abs(g) > t) & (h * g > 0))) for t in [0, *abs(g)])
        assert lines[f"task={name}", "pairs_with_ties"].value == pytest.approx(best)
        assert lines[f"task={name}", "pairs_without_ties"].value == pytest.approx(np.mean((h * g > 0)[h != 0]))


def test_vcreward_bench_by_task_with_equal_scores_wrong(copies):
    part = load("vcreward-bench", copies["vcreward-bench"]).chosen(partial=True)
    names = [sample.id for sample in part.edits()]
    scores = dict(zip(names, np.random.default_rng(8).integers(0, 3, len(names)).astype(float), strict=True))
    result = evaluate(part, {"id": names, "mine": [scores[name] for name in names]}).agreement
    rows = polars.read_parquet(copies["vcreward-bench"] / "data/train-00000-of-00001.parquet").to_dicts()
    right = {}
    for row in rows:
        gap = scores[f"{row['key']}/A"] - scores[f"{row['key']}/B"]
        right.setdefault(row["task"], []).append((gap > 0) if row["winner"] == "Image A" else (gap < 0))
    assert {s for scores in right.values() for s in scores} == {True, False}
    for task, answers in right.items():
        assert result.value("mine", "accuracy", "preference", f"task={task}") == pytest.approx(np.mean(answers))
    assert result.value("mine", "accuracy", "preference") == pytest.approx(np.mean([*itertools.chain(*right.values())]))


def test_imagereward_db_is_the_same_from_the_hub_s_layout(copies, tmp_path):
    sets = json.loads((copies["imagereward-db"] / "test.json").read_text())
    folder = tmp_path / "images" / "test" / "test_1"
    folder.mkdir(parents=True)
    rows = []
    for one in sets:
        for number, (image, rank) in enumerate(zip(one["generations"], one["ranking"], strict=True)):
            name = f"{one['id']}-{number}.webp"
            (folder / name).write_bytes((copies["imagereward-db"] / "test_images" / image).read_bytes())
            about = {"prompt_id": one["id"], "prompt": one["prompt"], "rank": rank}
            rows.append({**about, "image_path": f"images/test/test_1/{name}", "overall_rating": 5})
    (folder / "test_1.json").write_text(json.dumps(rows))
    hub, own = load("imagereward-db", tmp_path), load("imagereward-db", copies["imagereward-db"])
    assert hub.problems == []
    assert [(s.id, s.prompt, s.meta) for s in hub.samples] == [(s.id, s.prompt, s.meta) for s in own.samples]
    assert Image.open(hub.samples[0].edited).size == (64, 64)
    rows[0]["rank"] = "nan"
    (folder / "test_1.json").write_text(json.dumps(rows))
    spoilt = load("imagereward-db", tmp_path, images=False)
    assert "prompt_id, image_path or rank is empty or invalid" in spoilt.report()


def test_tiger_s_own_files_give_the_pairs_of_its_parquet_files(copies, tmp_path):
    stored = load("editreward-bench-tiger", copies["editreward-bench-tiger"])
    size = {2: "2pair", 3: "3pair", 4: "4pair"}
    sets = {}
    for sample in stored.samples:
        sets.setdefault((sample.meta["k"], sample.meta["item"]), []).append(sample)
    files = {k: [] for k in size}
    Image.new("RGB", (8, 8)).save(tmp_path / "source.png")
    for (k, item), pairs in sets.items():
        wins = {letter: sum((s.meta["edit"][-1] == letter and s.meta["preference"] > 0) +
                            (s.meta["rival_edit"][-1] == letter and s.meta["preference"] < 0) for s in pairs)
                for letter in "ABCD"[:k]}  # fmt: skip
        tied = k == 2 and pairs[0].meta["preference"] == 0
        ranking = "A=B=Bad" if tied else ">".join(sorted(wins, key=lambda letter: -wins[letter]))
        images = [f"{item.replace('/', '_')}_{letter}.png" for letter in wins]
        for image in images:
            Image.new("RGB", (8, 8)).save(tmp_path / image)
        entry = {"prompt": pairs[0].prompt, "path_src": "source.png", "paths_generated": images}
        files[k].append({**entry, "human_vote": {"ranking": ranking}})
    for k, entries in files.items():
        (tmp_path / f"EditReward_Bench_{size[k]}.json").write_text(json.dumps(entries))
    copy = load("editreward-bench-tiger", tmp_path)
    assert copy.complete
    assert {s.meta["preference"] for s in copy.samples if s.meta["k"] == 2} >= {0.0}
    by_kind = [[(s.meta["k"], s.meta["preference"], s.prompt) for s in one.samples] for one in (stored, copy)]
    assert by_kind[0] == by_kind[1]


def test_mmrb2_keeps_several_sources_in_order_and_leaves_out_several_responses(copy_of):
    folder = copy_of("mmrb2-images")
    content = json.loads((folder / "edit.json").read_text())
    first, second = content["pairs"][:2]
    assert len(load("mmrb2-images", folder).samples[6].source) == 2
    second["response_b"]["response_content"] *= 2
    first["response_a"]["model"] = first["response_a"].pop("model_name")  # as the README spells it
    first["pair_id"] = first.pop("id")
    (folder / "edit.json").write_text(json.dumps(content))
    copy = load("mmrb2-images", folder)
    assert copy.problems == []
    assert [note.partition(":")[0] for note in copy.notes] == ["edit.json, pair 2"]
    assert len(copy.samples) == 11
    assert copy.samples[6].source == tuple(
        str(folder / name) for kind, name in first["prompt_content"] if kind == "image"
    )
    assert (copy.samples[6].id, copy.samples[6].meta["system"]) == (f"edit/{first['pair_id']}", "one")
    assert copy.samples[0].source is None
    assert MMRB2.missing(copy.samples) == ["task t2i: 6 of 1,000 pairs", "task edit: 5 of 998 pairs"]


def changed(folder, name, spoil):
    """Spoil the first entry of a copy's table."""
    for path in sorted(
        folder.rglob("*.parquet" if name not in ("hpd-v2", "imagereward-db", "mmrb2-images") else "*.json")
    )[:1]:
        if path.suffix == ".json":
            content = json.loads(path.read_text())
            spoil((content["pairs"] if name == "mmrb2-images" else content)[0])
            path.write_text(json.dumps(content))
        else:
            rows = polars.read_parquet(path).to_dicts()
            spoil(rows[0])
            polars.DataFrame(rows, infer_schema_length=None).write_parquet(path)
    return folder


@pytest.mark.parametrize(
    ("name", "cells", "problem"),
    [
        ("vcreward-bench", {"winner": "Image C"}, "winner is 'Image C'; expected Image A, Image B, Tie"),
        ("vcreward-bench", {"key": None}, "key is empty"),
        ("vcreward-bench", {"edited_images": []}, "edited_images[0] is empty"),
        ("genai-bench-tiger", {"vote_type": "left"}, "vote_type is 'left'"),
        ("pickapic-v1", {"label_0": 0.7}, "label_0 is 0.7; expected 1, 0, 0.5"),
        ("pickapic-v1", {"caption": ""}, "caption is empty"),
        ("pickapic-v1", {"image_1_uid": None}, "image_1_uid is empty"),
        ("hpd-v2", {"rank": [1, 2]}, "image_path and rank are no two lists of one length"),
        ("hpd-v2", {"image_path": ["../x.jpg", "b.jpg", "c.jpg", "d.jpg"]}, "lies outside"),
        ("imagereward-db", {"ranking": [1, "best", 3, 4]}, "generations and ranking are no two lists"),
        ("imagereward-db", {"ranking": [1, "nan", 3, 4]}, "generations and ranking are no two lists"),
        ("mmrb2-images", {"chosen": "C"}, "expected an id, prompt_content"),
        ("mmrb2-images", {"response_a": {"response_content": [["video", "x"]]}}, "expected an id, prompt_content"),
    ],
)
def test_what_is_wrong_with_an_entry_spoils_that_entry(copy_of, name, cells, problem):
    folder = changed(copy_of(name), name, lambda entry: entry.update(cells))
    copy = load(name, folder)
    assert problem in copy.report()
    with pytest.raises(BenchmarkError, match="not a complete copy"):
        copy.chosen()
    part = copy.chosen(partial=True)
    assert 0 < len(part.samples) < len(load(name, folder, images=False).samples) + 1
    assert "left out" in part.caveat or "incomplete copy" in part.caveat or "cannot be read" in part.caveat


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("mmrb2-images", "only *_response_only.json: build them with build_from_hf.py"),
        ("hpd-v2", "has no test.json"),
        ("imagereward-db", "has neither test.json nor images/test/test_1/test_1.json"),
        ("pickapic-v1", "has no file test_unique-*.parquet or validation_unique-*.parquet"),
        ("genai-bench-tiger", "has no file image_edition/test_v1-*.parquet or image_generation/test_v1-*.parquet"),
    ],
)
def test_a_folder_of_other_files_is_told_what_is_expected(tmp_path, name, problem):
    (tmp_path / "edit_response_only.json").write_text('{"pairs": []}')
    assert problem in load(name, tmp_path).report()


def test_an_image_under_two_names_was_entered_twice_and_one_in_two_pairs_was_not(copy_of):
    folder = copy_of("hpd-v2")
    assert load("hpd-v2", folder).problems == []
    sets = json.loads((folder / "test.json").read_text())
    sets[1]["image_path"][0] = sets[0]["image_path"][0]
    (folder / "test.json").write_text(json.dumps(sets))
    assert "is judged more than once, as 0000/A" in load("hpd-v2", folder).report()


def test_the_name_of_two_benchmarks_names_both():
    with pytest.raises(BenchmarkError, match=r"genai-bench-1600 .* or genai-bench-tiger"):
        benchmark("GenAI-Bench")


def test_two_readmes_print_the_same_numbers_of_genai_bench():
    """GPT-4o's and chance's, in the benchmark's leaderboard and in EditReward's table; 919 edits."""
    values = {(row.table, row.method, row.group): row.value for row in published("genai-bench-tiger")}
    for ours, theirs in (("gpt4o", "GPT-4o"), ("random", "Random")):
        assert (
            values["leaderboard", ours, "task=image_edition"]
            == values["EditReward's README", theirs, "task=image_edition"]
        )
    right = values["leaderboard", "gpt4o", "task=image_edition"] * 919
    assert right == pytest.approx(round(right), abs=0.05)


def test_a_metric_that_this_machine_cannot_compute_ends_with_4_and_no_error_about_columns(run, copies):
    ran = run("benchmark", "vcreward-bench", copies["vcreward-bench"], "--partial", "-m", "mse", "--device", "cuda:7")
    assert ran.code == 4, ran.err
    assert "this machine has no device cuda:7" in ran.err
    assert "no score column" not in ran.err
