"""Every framework's call gets what `score` gives, in its own form, and a bad sample neither spreads nor counts as 0."""

import math

import numpy as np
import pytest
from PIL import Image

from editmetrics import Sample, score
from editmetrics.rewards import RewardError, as_reward, flow_factory, flow_grpo, verl

from . import frameworks
from .conftest import image

torch = pytest.importorskip("torch")
RANDOM = np.random.default_rng(5)
SOURCES = np.repeat(RANDOM.integers(0, 256, (2, 16, 16, 3), np.uint8), 3, axis=0)
EDITED = np.clip(SOURCES + RANDOM.normal(0, 20, SOURCES.shape), 0, 255).astype(np.uint8)
PROMPTS = ["make it red"] * 3 + ["remove the box"] * 3
BAD = 4


@pytest.fixture(scope="module")
def expected():
    """The rewards of `ssim - 0.5 * mae` as `score` gives them, without the bad sample."""
    samples = [Sample(str(i), edited=EDITED[i], source=SOURCES[i], prompt=PROMPTS[i]) for i in range(6)]
    results = score(samples, ["ssim", "mae"])
    return [float(s["ssim"]) - 0.5 * float(s["mae"]) for _, s in results]


def in_unit(levels):
    return torch.from_numpy(levels / np.float32(255)).permute(0, 3, 1, 2)


def images_with_one_bad():
    images = in_unit(EDITED).clone()
    images[BAD, 0, 0, 0] = math.nan
    return images


def approx(expected, bad):
    return [pytest.approx(bad if index == BAD else value, abs=1e-6) for index, value in enumerate(expected)]


def neutral(expected):
    return (expected[3] + expected[5]) / 2


def reward(**options):
    return as_reward({"ssim": 1.0, "mae": 0.5}, device="cpu", **options)


def test_flow_grpo(expected):
    """Through `multi_score`, as its trainers of edits call it, and as one of its reward functions."""
    step = flow_grpo.multi_score("cpu", {"ssim": 1.0, "mae": 0.5})
    metadata = [{"source": None}] * 6
    tensors = frameworks.flow_grpo_step(step, images_with_one_bad(), PROMPTS, metadata, in_unit(SOURCES))
    assert tensors.keys() == {"ssim", "mae", "avg"}
    assert tensors["avg"].tolist() == approx(expected, neutral(expected))
    assert torch.isnan(tensors["ssim"]).nonzero().tolist() == [[BAD]]
    advantages = frameworks.group_advantages(tensors["avg"], PROMPTS)
    assert np.isfinite(advantages).all()
    assert abs(advantages[BAD]) < 1e-3
    rewards, stats = reward()(EDITED, tuple(PROMPTS), [{"source": source} for source in SOURCES])
    assert rewards == pytest.approx(expected, abs=1e-6)
    assert stats["reward/samples"] == 6


def test_flow_grpos_advantages_would_all_be_lost_to_one_nan(expected):
    """Why `framework` means `neutral` there: the formula knows no missing reward."""
    advantages = frameworks.group_advantages([*expected[:BAD], math.nan, expected[5]], PROMPTS)
    assert np.isnan(advantages).tolist() == [False] * 3 + [True] * 3


@pytest.mark.parametrize("name", ["PointwiseReward", "GroupwiseReward"])
def test_flow_factory(name, expected, monkeypatch):
    framework = frameworks.flow_factory(monkeypatch)
    flow_factory._model_class.cache_clear()
    config = frameworks.SimpleNamespace(
        name="edit", device=torch.device("cpu"), extra_kwargs={"metrics": {"ssim": 1.0, "mae": 0.5}}
    )
    model = getattr(flow_factory, name)(config=config, accelerator=None)
    assert isinstance(model, getattr(framework, f"{name}Model"))
    assert model.required_fields == ("prompt", "image", "condition_images")
    samples = [
        {"prompt": PROMPTS[i], "image": images_with_one_bad()[i], "condition_images": in_unit(SOURCES[i : i + 1]),
         "all_latents": object(), "mask": None}
        for i in range(6)
    ]  # fmt: skip
    assert frameworks.flow_factory_rewards(model, samples).tolist() == approx(expected, neutral(expected))
    config.extra_kwargs = {"metrics": "mae", "normalize": "group"}
    with pytest.raises(RewardError, match=r"unknown key 'normalize'.*Did you mean 'normalise'"):
        getattr(flow_factory, name)(config=config, accelerator=None)
    with pytest.raises(AttributeError):
        _ = flow_factory.Rewards


def test_verl_omni(expected):
    """By path, as a function of one sample, called by many threads at once."""
    items = [
        {
            "solution_image": torch.from_numpy(EDITED[i]).permute(2, 0, 1),
            "ground_truth": PROMPTS[i],
            "extra_info": {"source": Image.fromarray(SOURCES[i]), "index": i // 3, "num_turns": None},
        }
        for i in range(6)
    ]
    options = {"metrics": {"ssim": 1.0, "mae": 0.5}, "device": "cpu", "reward_router_address": "x"}
    scores, more = frameworks.verl_omni(verl.compute_score, items, **options)
    assert scores == pytest.approx(expected, abs=1e-6)
    assert more["failed"].tolist() == [0] * 6
    items[BAD]["solution_image"] = torch.zeros(4, 8, 8)
    scores, more = frameworks.verl_omni(verl.compute_score, items, **options)
    of_group = scores.pop(BAD)  # the mean of those of its group that were scored by then
    assert min(expected[3:]) <= of_group <= max(expected[3:])
    assert scores == pytest.approx([*expected[:BAD], expected[5]], abs=1e-6)
    assert more["failed"].tolist() == [0] * 4 + [1, 0]
    assert np.isnan(more["ssim"]).tolist() == [False] * 4 + [True, False]
    with pytest.raises(RewardError, match="unknown option 'metric'"):
        verl.compute_score(solution_image=image(1), metric="mae")


def test_rows_of_another_type_have_no_fields(expected):
    rewards, _ = reward().flow_grpo(EDITED[:2], PROMPTS[:2], [None, {"source": SOURCES[1]}])
    assert rewards == pytest.approx([expected[1]] * 2)  # the first one is neutral
    images = [list(EDITED[:2]), list(SOURCES[:2])]
    rewards = reward()(completions=["", None], prompts=["a", 3], edited=images[0], source=images[1])
    assert rewards == pytest.approx(expected[:2])
    extra = {"source": SOURCES[0], "index": [7]}
    assert reward().verl(solution_image=EDITED[0], extra_info=extra)["score"] == pytest.approx(expected[0])


def test_verls_index_is_the_group(level):
    made = as_reward(level)
    for value, index in ((40, 7), (90, 8)):
        made.verl(solution_image=image(value), ground_truth=f"rollout {value}", extra_info={"index": index})
    assert made.verl(solution_image=image(3), ground_truth="another", extra_info={"index": 7})["score"] == 40


def test_verl_with_text_needs_a_renderer(level):
    made = as_reward(level, render=lambda text, row: image(int(text)), on_failure="neutral")
    assert made(solution_str="40", ground_truth=None, extra_info=None, data_source="x")["score"] == 40
    assert made(solution_str="dark", ground_truth=None) == {
        "score": 40.0,
        "failed": 1,
        "level": pytest.approx(math.nan, nan_ok=True),
    }
    with pytest.raises(RewardError, match="render="):
        as_reward(level).verl(solution_str="40")


def test_dance_grpo(expected, tmp_path):
    """A batch of one image, by PIL or by path, as its loop calls a reward model; the tensors are then concatenated."""
    made = reward()
    rewards = []
    for index in range(6):
        edited = Image.fromarray(EDITED[index])
        if index == BAD:
            edited = str(tmp_path / "lost.png")
        rewards.append(made([edited], [PROMPTS[index]], sources=[SOURCES[index]]))
    rewards = torch.cat(rewards)
    assert rewards.dtype == torch.float32
    assert rewards[:BAD].tolist() == pytest.approx(expected[:BAD], abs=1e-6)
    assert float(rewards[BAD]) == pytest.approx(expected[3], abs=1e-6)  # the mean of its group so far
    assert made.reward(list(EDITED), PROMPTS, SOURCES).tolist() == pytest.approx(expected, abs=1e-6)


def test_trl_takes_columns_by_the_names_of_fields_and_leaves_out_failures(expected):
    """As its trainer calls a reward function: everything by keyword, images in completions, None for a failure."""
    logged = {}
    chats = [[{"role": "assistant", "content": [{"type": "image", "image": Image.fromarray(one)}]}] for one in EDITED]
    chats[0][0]["content"].insert(0, {"type": "image", "image": Image.fromarray(SOURCES[0])})  # the last one counts
    chats[BAD] = [{"role": "assistant", "content": "I cannot draw that."}]
    rewards = reward(columns={"source": "input_image"})(
        prompts=[[{"role": "user", "content": text}] for text in PROMPTS], completions=chats, completion_ids=[[1]] * 6,
        trainer_state=object(), log_extra=lambda *_: None, log_metric=logged.__setitem__,
        input_image=[Image.fromarray(one) for one in SOURCES], group=list(range(6)),
    )  # fmt: skip
    assert rewards[BAD] is None
    assert [r for r in rewards if r is not None] == pytest.approx([*expected[:BAD], expected[5]], abs=1e-6)
    assert logged["reward/failed"] == 1
    assert logged["reward/mean"] == pytest.approx(np.mean([*expected[:BAD], expected[5]]))


def test_trls_text_is_rendered_with_its_row_and_what_cannot_be_costs_its_sample(level):
    rows = []

    def draw(text, row):
        rows.append(row)
        return image(int(text))

    made = as_reward(level, render=draw)
    assert made(prompts=["a", "b", "c"], completions=["40", "x", "60"], start=[1, 2, 3]) == [40.0, None, 60.0]
    assert rows[2] == {"prompt": "c", "start": 3}
    assert "cannot be rendered: ValueError" in made.last.reasons[1]
    with pytest.raises(RewardError, match="render="):
        as_reward(level)(prompts=["a"], completions=["b"])


def test_a_call_that_no_framework_makes_names_those_that_do(level):
    made = as_reward(level)
    assert made([Sample("a", edited=image(40))]) == [40.0]
    with pytest.raises(TypeError, match=r"called with 1 by position; expected \(images, prompts, metadata\)"):
        made(image(40))
    with pytest.raises(RewardError, match="2 images, but 1 of prompt"):
        made(np.zeros((2, 8, 8, 3), np.uint8), ["a"], {})
