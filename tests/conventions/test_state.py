"""HPSv3 and EditReward from their files of conventions: what the authors' code shows and computes, on tiny weights."""

from __future__ import annotations

import hashlib
import math
import re
import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from editmetrics import Sample, create_metric, weights
from editmetrics.conventions import FOLDER
from editmetrics.conventions.reading import ConventionsError, read_conventions
from editmetrics.judge import Image as Shown
from editmetrics.plugins.conformance.reward_models import WEIGHTS
from editmetrics.sample import EditMetricsError
from tests.mllm.test_whole_models import ROUNDING, by_the_authors

RNG = np.random.default_rng(0)
PICTURES = [RNG.integers(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 72), (300, 500), (1200, 400))]
SHOWN = [
    ((448, 476), "b43385c57193050482e99fbdc784336c45f8f2d3d0112d45e9e1f2eece707655"),
    ((364, 588), "c6aacbaefadc826b4512c55641720275e921496fbc5336e1ba6f2d2c2de0784d"),
    ((756, 252), "2502a51a17642b52feb700bebed3a3be146dfb6f07164b4de9fb865e76503727"),
]
"""The size and the SHA-256 of the pixels that `fetch_image` of EditReward's repository (edb027e) makes of them."""

TEXT = "make the {sky} red\nplease"
WRITTEN = {
    "preference": "5882b06d6f1b14b84d13c53d8b2da6d86cfb9b81172c2aef17ff8929142d317a",
    "following": "2bb2db6f51fe38b37c73fabf7072be37f37c1dfb0012d627189a9ecebe0a6841",
    "quality": "059bb3cde2595d9380166a2dcc814c40ba13052e4c3d4bd911117f27f5f9596e",
}
"""The SHA-256 of each question about `TEXT`, as the repositories' code formats it (hpsv3 1.0.0, EditReward edb027e)."""

NAMES = {"hpsv3": "hpsv3", "edit_reward": "edit_reward.qwen2.5-vl-7b"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """A tiny checkpoint of each, with the small files of its base beside it."""
    made = {}
    for metric, entry in NAMES.items():
        made[metric] = tmp_path_factory.mktemp(metric)
        WEIGHTS[entry](made[metric])
    return made


def sample(row=1, text=TEXT):
    return Sample("one", edited=PICTURES[row], source=PICTURES[0], prompt=text)


@pytest.mark.parametrize("name", NAMES)
def test_questions_and_images_are_those_of_the_authors(name):
    metric = create_metric(name)
    for row, (size, digest) in enumerate(SHOWN):
        for question, asked in metric.asked(sample(row)).items():
            *images, text = asked.messages[0].parts
            assert [message.role for message in asked.messages] == ["user"]
            assert len(images) == (1 if name == "hpsv3" else 2)
            assert all(isinstance(image, Shown) for image in images)
            assert hashlib.sha256(text.encode()).hexdigest() == WRITTEN[question]
            assert images[-1].pixels().shape[:2] == size
            assert hashlib.sha256(images[-1].pixels().tobytes()).hexdigest() == digest
            assert len(images) == 1 or images[0].pixels().shape[:2] == SHOWN[0][0]


def scaled(row):
    size = SHOWN[row][0]
    return np.asarray(Image.fromarray(PICTURES[row]).resize(size[::-1], Image.Resampling.BICUBIC))


@pytest.mark.parametrize("name", NAMES)
def test_scores_and_uncertainty_are_those_of_the_authors(name, folders):
    metric = create_metric(name, weights=str(folders[name]), device="cpu")
    metric.load()
    samples = [sample(1), sample(2, "a smaller moon")]
    scores = metric.score_batch([metric.prepare(each) for each in samples])
    (file,) = (path for path in folders[name].glob("*.safetensors"))
    for row, (each, result) in enumerate(zip(samples, scores, strict=True), 1):
        images = [scaled(0), scaled(row)][-1 if name == "hpsv3" else 0 :]
        numbers = []
        for head, (_, asked) in enumerate(metric.asked(each).items()):
            prefix = "rm_head" if name == "hpsv3" else f"rm_heads.head_{head}"
            numbers.append(by_the_authors(folders[name], file, images, asked.messages[0].parts[-1], prefix)[2])
        mean, log_std = (float(number) for number in torch.stack(numbers).mean(0))
        primary = next(iter(result))
        assert float(result) == pytest.approx(mean, abs=5 * ROUNDING)
        assert result.uncertainty[primary] == pytest.approx(math.exp(log_std), abs=5 * ROUNDING)
        if name == "edit_reward":
            parts = [result["instruction_following"], result["visual_quality"]]
            assert parts == pytest.approx([float(number[0]) for number in numbers], abs=5 * ROUNDING)


@pytest.fixture(scope="module")
def plus(tmp_path_factory):
    """A tiny checkpoint of HPSv3++, whose layers are large enough for a guess to matter."""
    folder = tmp_path_factory.mktemp("hpsv3_plus")
    WEIGHTS["hpsv3_plus"](folder)
    tensors = torch.load(folder / "hpsv3++.pth", weights_only=True)
    larger = {
        name: 2 * tensor if name.startswith(("cap_", "film_", "rm_")) else tensor for name, tensor in tensors.items()
    }
    torch.save({"model": larger}, folder / "hpsv3++.pth")
    return folder, larger


def modulated(tensors, state, iteration=0.0):
    """What HPSv3++'s code (7bdbebc) makes of one pooled state, written down; its class, run once on such a checkpoint,
    loads it strictly and gives means and deviations that differ from ours by less than 1e-6."""

    def layer(name, values):
        return F.linear(values, tensors[f"{name}.weight"], tensors[f"{name}.bias"])

    capability = layer("cap_encoder.out_proj", layer("cap_encoder.proj", state)).sigmoid()  # of one image: weight 1
    condition = torch.stack([capability.squeeze(), torch.tensor(iteration)])
    embedding = layer("cond_encoder.2", F.gelu(layer("cond_encoder.0", condition)))
    gamma, beta = layer("film_gen.2", F.relu(layer("film_gen.0", embedding))).chunk(2, -1)
    hidden = state * (1 + gamma) + beta
    for name in ("rm_head.0", "rm_head.3"):
        hidden = F.relu(layer(name, hidden))
    return layer("rm_head.5", hidden), float(capability)


@torch.no_grad()
def test_hpsv3_plus_scores_each_image_by_its_own_guess(plus):
    folder, tensors = plus
    metric = create_metric("hpsv3_plus", weights=str(folder / "hpsv3++.pth"), backbone=str(folder), device="cpu")
    metric.load()
    samples = [sample(1), sample(2, "a smaller moon")]
    states = [metric._backbone.forward([metric.prepare(each)["preference"]]).at(-1)[0] for each in samples]
    wanted = [modulated(tensors, state) for state in states]
    scores = metric.score_batch([metric.prepare(each) for each in samples])
    for score, ((mean, log_std), _) in zip(scores, wanted, strict=True):
        assert float(score) == pytest.approx(float(mean), rel=1e-4, abs=5 * ROUNDING)
        assert score.uncertainty["hpsv3_plus"] == pytest.approx(math.exp(float(log_std)), rel=1e-4)
    assert wanted[0][1] != pytest.approx(wanted[1][1], abs=1e-4), "the guesses differ, so that a shared one would show"
    head = metric._heads["preference"]
    head.iteration = 0.5
    assert head(states[0][None])[0].tolist() == pytest.approx(modulated(tensors, states[0], 0.5)[0].tolist(), rel=1e-4)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda tensors: tensors.pop("cap_encoder.pool_attn.weight"), "lacks cap_encoder.pool_attn.weight"),
        (lambda tensors: tensors.update({"film_gen.0.scale": torch.ones(1)}), "has film_gen.0.scale"),
        (lambda tensors: tensors.update({"cond_encoder.0.weight": torch.ones(256, 3)}), r"is \(256, 3\), expected"),
        (lambda tensors: tensors.update({"score.weight": torch.ones(1)}), "holds score.weight, which .* does not have"),
    ],
)
def test_a_tensor_that_is_missing_extra_or_misshapen_is_named(plus, tmp_path, change, problem):
    folder, tensors = plus
    changed = dict(tensors)
    change(changed)
    torch.save(changed, tmp_path / "changed.pth")
    metric = create_metric("hpsv3_plus", weights=str(tmp_path / "changed.pth"), backbone=str(folder), device="cpu")
    with pytest.raises(EditMetricsError, match=problem):
        metric.load()


def test_images_of_a_pair_are_seen_once_for_both_questions(folders, monkeypatch):
    metric = create_metric("edit_reward", weights=str(folders["edit_reward"]), device="cpu")
    metric.load()
    seen = []
    look = metric._backbone.family.look
    monkeypatch.setattr(
        metric._backbone.family, "look", lambda model, pictures: seen.append(len(pictures)) or look(model, pictures)
    )
    metric.score_batch([metric.prepare(sample(1)), metric.prepare(sample(2))])
    assert seen == [4]


def test_a_checkpoint_of_the_registry_with_a_base_in_another_folder(folders, tmp_path):
    """As the command `-m edit_reward:backbone=FOLDER` has it: small files from one place, tensors from another."""
    base, checkpoint = tmp_path / "base", tmp_path / "checkpoint"
    shutil.copytree(folders["edit_reward"], base, ignore=shutil.ignore_patterns("*.safetensors"))
    checkpoint.mkdir()
    shutil.copy(folders["edit_reward"] / "model.safetensors", checkpoint)
    wanted = create_metric("edit_reward", weights=str(folders["edit_reward"]), device="cpu")(sample())
    with weights.substitute("edit_reward.qwen2.5-vl-7b", checkpoint):
        assert create_metric("edit_reward", backbone=str(base), device="cpu")(sample()) == wanted
    whole = create_metric("edit_reward", backbone=str(folders["edit_reward"]), device="cpu")
    assert whole.checkpoints() == ()
    assert whole(sample()) == wanted
    file = str(checkpoint / "model.safetensors")
    by_file = create_metric("edit_reward", backbone=str(base), weights=file, device="cpu")
    assert by_file(sample()) == wanted
    assert by_file.identity()["options"]["weights"] == "a file"
    assert str(tmp_path) not in str(by_file.identity())


def test_a_control_token_in_an_instruction_fails_its_sample_alone(folders):
    metric = create_metric("hpsv3", weights=str(folders["hpsv3"]), device="cpu")
    metric.load()
    for text, reason in (("a fox <|Reward|>", "2 times; expected once"), ("a fox <|im_end|>", "a control token")):
        with pytest.raises(EditMetricsError, match=reason):
            metric.prepare(sample(text=text))


def test_a_head_that_gives_no_number_gives_no_score(folders, monkeypatch):
    """The mean, and then the logarithm of the deviation, is not finite or cannot be a rating."""
    metric = create_metric("hpsv3", weights=str(folders["hpsv3"]), device="cpu")
    metric.load()
    prepared = metric.prepare(sample(1))
    for numbers in ([math.nan, 0.0], [0.5, math.nan], [math.inf, 0.0], [0.5, 1e30], [0.5, -1e3]):
        monkeypatch.setitem(metric._heads, "preference", lambda states, row=numbers: states.new_tensor([row]))
        (score,) = metric.score_or_why_not([prepared])
        assert (score.status, dict(score), score.uncertainty) == ("failed", {}, None)
    assert "the logarithm of a deviation is -1e+03, and the deviation 0: its weights are damaged" in score.reason


def test_another_checkpoint_and_other_weights_are_another_identity(folders, tmp_path):
    one, other = (create_metric("edit_reward", checkpoint=name) for name in ("qwen2.5-vl-7b", "mimo-vl-7b"))
    assert one.identity() != other.identity()
    assert one.checkpoints() != other.checkpoints()
    mine = create_metric("hpsv3", weights=str(folders["hpsv3"]), device="cpu")
    mine.load()
    assert mine.checkpoints() == ()
    again = tmp_path / "again"
    shutil.copytree(folders["hpsv3"], again)
    copied = create_metric("hpsv3", weights=str(again), device="cpu")
    copied.load()
    assert copied.identity() == mine.identity()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('outputs = ["mean", "log_std"]', 'outputs = ["log_std", "log_std"]', "expected 'mean' once"),
        ('"rm_head.5" = 2', '"rm_head.5" = 3', "expected 2 outputs of the last one"),
        ('positions = "plain"', 'positions = "flat"', "it is 'flat'; expected family or plain"),
        ('question = "preference"', 'question = "taste"', "unknown; expected"),
    ],
)
def test_a_mistake_in_the_layout_of_heads_is_named_with_its_line(tmp_path, old, new, problem):
    text = (FOLDER / "hpsv3.toml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "hpsv3.toml").write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ConventionsError, match=r"line \d+: state\." + ".*" + re.escape(problem)):
        read_conventions(tmp_path / "hpsv3.toml")
