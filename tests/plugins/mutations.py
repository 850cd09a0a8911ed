"""Planted mistakes in metrics of sets and preference models, for `tests/mutations.py`: name, file, old, new, tests."""

from __future__ import annotations

PLUGINS, STATISTICS, RUNS = "editmetrics/plugins", "tests/plugins/test_sets.py", "tests/cli/test_sets.py"
PREFERENCE, BLIP = "tests/plugins/test_preference.py", "tests/plugins/test_blip_metrics.py"
PROMPTS = "tests/plugins/test_bad_prompts.py"
FEW = (f"{RUNS}::test_few_images_are_refused_with_the_number_before_anything_is_downloaded",)
PICK_SCORE = (f"{PREFERENCE}::test_pick_score_is_open_clips_cosine_by_its_temperature",)

MUTATIONS = (
    (
        "half of a character stays in a prompt", f"{PLUGINS}/text_image.py",
        'self.reads(mended(sample.prompt or ""))', 'self.reads(sample.prompt or "")',
        (f"{PROMPTS}::test_an_empty_prompt_is_skipped_and_the_end_of_a_long_one_is_cut_off",),
    ),
    (
        "FID with half of the covariances' product", f"{PLUGINS}/frechet.py", "- 2 * _overlap(", "- _overlap(",
        (f"{STATISTICS}::test_fid_of_gaussians_is_the_closed_form",),
    ),
    (
        "FID's interval from quarters", f"{PLUGINS}/frechet.py",
        "random.permutation(count)[: count // 2]", "random.permutation(count)[: count // 4]",
        (f"{STATISTICS}::test_the_interval_has_the_spread_of_other_sets",),
    ),
    (
        "FID's bias has the other sign", f"{PLUGINS}/frechet.py",
        "float(np.mean(of_halves)) - value", "value - float(np.mean(of_halves))",
        (f"{STATISTICS}::test_fid_of_few_images_says_how_biased_it_is",),
    ),
    (
        "KID counts an image with itself", f"{PLUGINS}/kernel_distance.py",
        "within = (total - diagonal) / (count * (count - 1)) if unbiased else", "within = ",
        (f"{STATISTICS}::test_kid_is_a_plain_loop_over_pairs_of_different_images",),
    ),
    (
        "Inception sees [-1, 1] by 127.5", f"{PLUGINS}/inception.py",
        "(torch.from_numpy(bicubic(scaled, SIZE)) - 128) / 128",
        "(torch.from_numpy(bicubic(scaled, SIZE)) - 127.5) / 127.5",
        (f"{STATISTICS}::test_a_ramp_is_resized_as_each_convention_says",),
    ),
    (
        "a ball that its own centre counts in", f"{PLUGINS}/precision_recall.py", "kthvalue(k + 1", "kthvalue(k",
        (f"{STATISTICS}::test_precision_and_recall_are_plain_loops",),
    ),
    (
        "one image is a set", "editmetrics/bases/set_metric.py",
        "if len(images) < self.minimum:", "if len(images) < 1:", FEW,
    ),
    (
        "few images are refused after the download", "editmetrics/scoring/fields.py",
        "if refused and len(refused) == len(samples):", "if refused is None:", FEW,
    ),
    (
        "duplicates count once", "editmetrics/bases/set_metric.py",
        "for digest in sorted(digests)])", "for digest in sorted(rows)])",
        (f"{RUNS}::test_duplicates_and_shared_images_are_noted_and_a_set_equals_itself",),
    ),
    (
        "features are kept whatever the preprocessing", "editmetrics/bases/set_metric.py",
        'network = {"network": self.network_name(), "preprocessing": self.preprocessing,',
        'network = {"network": self.network_name(), "preprocessing": "",',
        (f"{RUNS}::test_an_image_is_seen_once_whatever_it_is_compared_with",),
    ),
    (
        "--limit leaves sets whole", "editmetrics/command_line/parts.py", "{n: one.first(limit) for", "{n: one for",
        (f"{RUNS}::test_a_part_of_each_set_and_a_report_of_the_systems",),
    ),
    (
        "PickScore with the temperature's logarithm", f"{PLUGINS}/pick_score.py",
        "model.logit_scale.exp() * cosines", "model.logit_scale * cosines", PICK_SCORE,
    ),
    (
        "a batch of texts loses its longest one's end", f"{PLUGINS}/text_image.py",
        ".index(END) + 1", ".index(END)", PICK_SCORE,
    ),
    (
        "HPS v2 reads the last token", f"{PLUGINS}/clip.py",
        "states[torch.arange(len(tokens), device=tokens.device), tokens.argmax(1)]", "states[:, -1]",
        (f"{PREFERENCE}::test_hps_v2_is_transformers_cosine_of_padded_images",),
    ),
    (
        "PickScore's crop is torchvision's", f"{PLUGINS}/preprocessing.py",
        'if self.fit == "crop" else (side - self.size) // 2', "",
        (f"{PREFERENCE}::test_the_crops_are_those_of_torchvision_and_of_transformers",),
    ),
    (
        "ImageReward takes the mean off last", f"{PLUGINS}/image_reward.py",
        "(reward - MEAN) / DEVIATION", "reward / DEVIATION - MEAN", (f"{BLIP}::test_image_reward",),
    ),
)  # fmt: skip
