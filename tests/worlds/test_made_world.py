"""The made world: its labels are what was drawn, no photograph serves twice, and plain statistics do not solve it."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from editmetrics.mllm.baseline import ridge
from editmetrics.mllm.survey import survey
from editmetrics.sample import EditMetricsError, Sample
from tools.world.edits import SCORES, edits, real_view
from tools.world.files import SEEDS, digests, write_edits
from tools.world.instructions import Instruction, attempt, reference, scene_and_instruction
from tools.world.lessons import SceneLessons
from tools.world.questions import changes
from tools.world.scenes import CHOOSING, COLOURS, FITTING, LEARNING, PRETRAINING, TESTING, Backgrounds, Thing, box, view


@pytest.fixture(scope="module")
def backgrounds():
    return {name: Backgrounds(photographs, 40) for name, photographs in
            (("pretraining", PRETRAINING), ("fitting", FITTING), ("testing", TESTING))}  # fmt: skip


@pytest.fixture(scope="module")
def made(backgrounds):
    return list(edits(backgrounds["fitting"], 500, SEEDS["train"]))


def one(colour="red", shape="circle"):
    return Thing(shape, colour, 9.0, 0.0, 0.0)


def test_the_same_seed_makes_the_same_pixels_and_another_seed_others(backgrounds):
    first, again, other = (list(edits(backgrounds["fitting"], 6, seed)) for seed in (1, 1, 2))
    assert all((a.edited == b.edited).all() and a.scores == b.scores for a, b in zip(first, again, strict=True))
    assert all((a.edited != b.edited).any() for a, b in zip(first, other, strict=True))


def test_photographs_come_from_three_packages():
    made = list(edits(Backgrounds(("china", "grace_hopper", "rocket"), 12), 12, seed=0))
    assert len(digests([edit.source for edit in made])) == 3
    with pytest.raises(EditMetricsError, match="brings no photograph nowhere"):
        Backgrounds(("nowhere",), 1)


def test_no_photograph_and_no_image_of_a_test_is_in_a_training(backgrounds):
    parts = [set(PRETRAINING), set(FITTING) | set(LEARNING) | set(CHOOSING), set(TESTING)]
    assert sum(map(len, parts)) == len(set.union(*parts))
    assert not set(LEARNING) & set(CHOOSING), "weights are chosen by photographs that none learns from"
    lessons = SceneLessons(backgrounds["pretraining"], 300, seed=0)
    seen = [digests([image for number in range(300) for image in lessons[number].images])]
    for name, seed in (("fitting", SEEDS["train"]), ("testing", SEEDS["test"])):
        images = [image for edit in edits(backgrounds[name], 200, seed) for image in (edit.source, edit.edited)]
        seen.append(digests(images))
    assert all(len(images) > 200 for images in seen)
    assert sum(map(len, seen)) == len(set.union(*seen))


SCENE = (one("red"), one("blue", "cross"), None, None)
ASKED = Instruction("recolour", 0, one("green"), 0, "make the circle green")


@pytest.mark.parametrize(
    ("failed", "changed", "after"),
    [
        ((), 0, ["red circle became green circle", "same"]),
        (("object",), 1, ["same", "blue cross became green cross"]),
        (("object", "colour"), 0, ["same", "same"]),
    ],
)
def test_the_parts_that_fail_are_those_that_are_not_drawn(failed, changed, after):
    done = attempt(SCENE, ASKED, frozenset(failed), changed, np.random.default_rng(0))
    assert changes(SCENE, done.after)[:2] == after
    assert (done.failed, len(done.changed)) == (frozenset(failed), changed)


def test_a_wrong_colour_is_neither_the_old_nor_the_asked_one():
    colours = {
        attempt(SCENE, ASKED, frozenset({"colour"}), 0, np.random.default_rng(seed)).after[0].colour
        for seed in range(60)
    }
    assert colours == set(COLOURS) - {"red", "green"}


def test_every_edit_of_every_kind_is_labelled_by_what_is_in_its_scenes(made):
    """From the two scenes and the words alone, by rules that do not know how the edit was made."""
    kinds = set()
    for edit in made:
        asked, before, after = edit.asked, edit.before, edit.attempt.after
        kinds.add(asked.kind)
        assert (edit.completion == 3) == (edit.scores["alignment"] == 100) == carried_out(asked, before, after)
        assert (edit.completion == 1) == (edit.scores["alignment"] == 0)
        others = edit.attempt.others
        kept = np.mean([before[cell] == after[cell] for cell in others]) if others else 1.0
        assert edit.scores["preservation"] == pytest.approx(100 * kept)
        x, y, width, height = edit.region
        assert 0 <= x - width / 2 < x + width / 2 <= 1
        assert 0 <= y - height / 2 < y + height / 2 <= 1
    assert len(kinds) == 6


def carried_out(asked, before, after):
    came = [cell for cell in range(4) if before[cell] is None and after[cell] is not None]
    same = [cell for cell in came if after[cell].words() == asked.wanted.words()]
    if asked.kind == "count":
        return len(same) == 2
    if asked.kind == "add":
        return same == [asked.cell]
    if asked.kind == "remove":
        return after[asked.target] is None
    if asked.kind == "move":
        return after[asked.target] is None and after[asked.cell] == asked.wanted
    return after[asked.target] is not None and after[asked.target].words() == asked.wanted.words()


def test_the_labels_are_independent_and_spread(made):
    scores = np.array([[edit.scores[name] for name in SCORES[1:]] for edit in made])
    assert np.abs(spearmanr(scores)[0][np.triu_indices(4, 1)]).max() < 0.18  # 500 independent draws: deviation 0.045
    assert (scores.std(0) > 25).all()
    assert {edit.completion for edit in made} == {1, 2, 3}


def test_the_words_name_one_thing():
    for seed in range(200):
        things, asked = scene_and_instruction(np.random.default_rng(seed))
        if asked.target is not None:
            name = reference(things, asked.target)
            assert name in asked.words
            assert [reference(things, cell) for cell in range(4) if things[cell]].count(name) == 1


def test_what_is_drawn_is_where_its_box_says():
    background, random = np.full((68, 68, 3), 90, np.float32), np.random.default_rng(0)
    for shape in ("circle", "square", "triangle", "cross"):
        thing = one("white", shape)
        image = view((None, thing, None, None), background, random).mean(-1)
        rows, columns = np.nonzero(image > image.min() + 0.6 * (image.max() - image.min()))
        left, top, right, bottom = box(thing, 1)
        margin = 4  # the camera moves by two pixels, and a square is a little smaller than its radius
        for line, first, last in ((columns, left, right), (rows, top, bottom)):
            assert first - margin < line.min() < line.max() < last + margin
            assert line.max() - line.min() > 11


def test_plain_statistics_learn_little_of_it(made, backgrounds):
    """The baseline that every fit measures, and one of the mean colour's change for each colour asked for."""
    unseen = list(edits(backgrounds["testing"], 300, SEEDS["test"] + 1))
    limits = {"quality": 0.55, "alignment": 0.4, "preservation": 0.5, "naturalness": 0.55, "harmony": 0.55}
    for columns in (plain_statistics, colour_statistics):
        train, test = columns(made), columns(unseen)
        for name, limit in limits.items():
            ratings = np.array([edit.scores[name] for edit in made])
            guess = ridge(train, ratings).predict(test)
            reached = spearmanr(guess, [edit.scores[name] for edit in unseen])[0]
            assert np.isnan(reached) or reached < limit, name  # nan: the same guess for all


def plain_statistics(made):
    samples = [Sample(str(number), edited=edit.edited, source=edit.source) for number, edit in enumerate(made)]
    return np.array([np.concatenate([each.edited, each.to_source]) for each in survey(samples)])


def colour_statistics(made):
    change = np.array([edit.edited.mean((0, 1)) - edit.source.mean((0, 1)) for edit in made])
    asked = np.array([[colour in edit.prompt for colour in COLOURS] for edit in made])
    return np.einsum("ni,nj->nij", change, asked).reshape(len(made), -1)


def test_the_manifest_lists_edits_and_real_images(tmp_path):
    from editmetrics.data import from_manifest

    samples = list(from_manifest(write_edits(tmp_path, 6, photographs=FITTING, real=True)))
    assert len(samples) == 12
    assert [sample.meta["is_real"] for sample in samples[:2]] == ["0", "1"]


def test_a_real_image_differs_from_the_source_by_the_camera_alone(backgrounds):
    image = real_view(backgrounds["fitting"], [3, 0], 0)
    (edit,) = edits(backgrounds["fitting"], 1, 3)
    assert (image != edit.source).any()
    assert np.corrcoef(image[::4, ::4].ravel(), edit.source[::4, ::4].ravel())[0, 1] > 0.6
