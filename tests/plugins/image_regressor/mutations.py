"""Planted mistakes in image regressors, for `tests/mutations.py`: name, file, old, new, tests."""

from __future__ import annotations

REGRESSOR, TESTS = "editmetrics/plugins/image_regressor", "tests/plugins/image_regressor"
PARTS, METRIC = f"{TESTS}/test_parts.py", f"{TESTS}/test_metric.py"

MUTATIONS = (
    (
        "bilinear pooling without the root", f"{REGRESSOR}/parts/bilinear.py",
        "root = (product.abs() + LEAST).sqrt()", "root = product.abs()",
        (f"{PARTS}::test_bilinear_pooling_is_the_outer_product_of_each_cell",),
    ),
    (
        "the hyper network's matrices are transposed", f"{REGRESSOR}/parts/hyper.py",
        "matrix = weights(content).reshape(len(rated), to, inputs)",
        "matrix = weights(content).reshape(len(rated), inputs, to).transpose(1, 2)",
        (f"{PARTS}::test_the_hyper_network_is_a_perceptron_whose_weights_are_functions_of_the_content",),
    ),
    (
        "stairs skip the stages on their way", f"{REGRESSOR}/parts/stairs.py",
        "carried = step(carried + level)", "carried = step(carried)",
        (f"{PARTS}::test_stairs_carry_every_stage_down_and_add_the_ends",),
    ),
    (
        "attention reaches the padding", f"{REGRESSOR}/parts/attention.py",
        "key_padding_mask=padding", "key_padding_mask=None",
        (f"{PARTS}::test_tiles_of_one_image_do_not_see_those_of_another",),
    ),
    (
        "the channels' attention is read row by row", f"{REGRESSOR}/parts/channel_attention.py",
        "@ self.value(x)).transpose(1, 2).reshape(x.shape)", "@ self.value(x)).reshape(x.shape)",
        (f"{PARTS}::test_transposed_attention_looks_from_channel_to_channel",),
    ),
    (
        "the gate is read from the edited image", f"{REGRESSOR}/parts/top_down.py",
        "self.weight(x[:, -(x.shape[1] // 3) :])", "self.weight(x[:, : x.shape[1] // 3])",
        (f"{PARTS}::test_a_gate_weighs_cells_by_the_difference_of_two_images",),
    ),
    (
        "weights of views are not normalised", f"{REGRESSOR}/parts/layout.py",
        "(part * share).sum(0) / share.sum(0)", "(part * share).mean(0)",
        (f"{PARTS}::test_a_weighted_head_is_the_weighted_mean_of_views_or_tokens",),
    ),
    (
        "the earth mover's distance without order", f"{REGRESSOR}/losses.py",
        "predicted.float().cumsum(-1) - shares.float().cumsum(-1)", "predicted.float() - shares.float()",
        (f"{PARTS}::test_the_earth_movers_distance_is_scipys_for_r_1",),
    ),
    (
        "source and edit are cut at different places", f"{REGRESSOR}/views.py",
        "view = _cut(image, top, left, rule.crop)", "view = _cut(image, top, 0 if own is cut[0] else left, rule.crop)",
        (f"{PARTS}::test_fixed_views_cover_the_image_and_drawn_ones_are_cut_alike",),
    ),
    (
        "a label's score is its log-odds", f"{REGRESSOR}/metric.py",
        "values[name] = 1 / (1 + exp(-max(min(number, 700.0), -700.0)))", "values[name] = number",
        (f"{METRIC}::test_a_label_is_a_probability_and_nothing_else_is_taken",),
    ),
    (
        "the source is not looked at", f"{REGRESSOR}/metric.py",
        'prepared["source"] = scoring_views(source, rule)', 'prepared["source"] = prepared["edited"]',
        (f"{METRIC}::test_a_full_reference_regressor_sees_the_source",),
    ),
    (
        "learned vectors all stand before their text", f"{REGRESSOR}/parts/texts.py",
        "row[:1], own[:half], row[end : end + length], own[half:], row",
        "row[:1], own[:half], own[half:], row[end : end + length], row",
        (f"{PARTS}::test_learned_vectors_stand_before_and_behind_their_text",),
    ),
    (
        "statistics of batch norms are not kept", "editmetrics/mllm/run_folder.py",
        "return {**parameters, **norm_statistics(module)}", "return parameters",
        ("tests/mllm/test_norm_statistics.py::test_the_best_weights_have_the_statistics_of_their_step",
         "tests/mllm/test_norm_statistics.py::test_a_killed_run_resumes_with_its_statistics"),
    ),
    (
        "kept features of other images", f"{REGRESSOR}/fit.py",
        "by_key = dict(zip(self._keys(examples), examples, strict=True))",
        "by_key = dict(zip(self._keys(examples), examples[::-1], strict=True))",
        (f"{METRIC}::test_kept_features_give_the_scores_of_the_images",),
    ),
)  # fmt: skip
