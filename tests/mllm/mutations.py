"""Planted mistakes in the training and reading of assessors, for `tests/mutations.py`: name, file, old, new, tests."""

from __future__ import annotations

EPAIQA, LMM, DS, HPE, MLLM = (
    f"editmetrics/{part}"
    for part in ("plugins/epaiqa", "plugins/lmm4lmm", "plugins/ds_ieqa", "plugins/hpe_lsa", "mllm")
)
EPAIQA_LOSSES, LMM_LOSSES, DS_LOSSES = (
    f"tests/plugins/{name}/test_losses.py" for name in ("epaiqa", "lmm4lmm", "ds_ieqa")
)
HPE_LEARNING = "tests/plugins/hpe_lsa/test_learning.py"
HPE_SCORES = f"{HPE_LEARNING}::test_fresh_edits_get_the_scores_that_people_would_give"
HPE_TUNING = f"{HPE_LEARNING}::test_equation_1_learns_from_training_data_and_is_judged_by_validation_data"
EPAIQA_LOSS = (f"{EPAIQA_LOSSES}::test_each_stage_has_the_loss_that_transformers_gives_its_answers",)
EPAIQA_TERMS = (f"{EPAIQA_LOSSES}::test_terms_compare_expected_levels_with_their_ratings",)
EPAIQA_KEPT = (f"{EPAIQA_LOSSES}::test_stage_3_keeps_the_weights_that_are_best_in_all_that_it_teaches_and_repeats",)
LMM_LOSS = (f"{LMM_LOSSES}::test_each_stage_has_the_loss_of_its_kind",)
DS_LOSS = (f"{DS_LOSSES}::test_the_loss_is_the_papers_or_its_ablations",)

MUTATIONS = (
    (
        "epaiqa: a state predicts its own token", f"{EPAIQA}/learner.py",
        "row[p.answer_start - 1 : len(p) - 1]", "row[p.answer_start : len(p)]", EPAIQA_LOSS,
    ),
    (
        "epaiqa: one mean over all tokens", f"{EPAIQA}/learner.py",
        "answers.append((weights * losses).sum() / weights.sum())",
        "answers.append((weights * losses).sum() * len(prompts) / sum(lengths))", EPAIQA_LOSS,
    ),
    (
        "epaiqa: the first level word of an answer weighs more, and not the one that is read", f"{EPAIQA}/learner.py",
        "return completions[:1], levels[-1:]", "return completions[:1], levels[:1]",
        (f"{EPAIQA_LOSSES}::test_what_scores_are_read_from_weighs_as_it_is_told",),
    ),
    (
        "epaiqa: every harmony and naturalness is fair", f"{EPAIQA}/lessons.py",
        "word = level_of(rating, low, high)", 'word = "fair"', EPAIQA_LOSS,
    ),
    (
        "epaiqa: the end of a turn is never taught", f"{EPAIQA}/assessor.py",
        "torch.cat([prompt.ids, torch.tensor([self.backbone.tokenizer.eos_token_id])])", "prompt.ids", EPAIQA_LOSS,
    ),
    (
        "epaiqa: swapped images", f"{EPAIQA}/assessor.py",
        "return self.backbone.see(source, among=2), self.backbone.see(edited, among=2)",
        "return self.backbone.see(edited, among=2), self.backbone.see(source, among=2)", EPAIQA_LOSS,
    ),
    (
        "epaiqa: naturalness is taught of the whole image", f"{EPAIQA}/assessor.py",
        "[self.backbone.see(region.cut(edited))]", "[self.backbone.see(edited)]", EPAIQA_LOSS,
    ),
    (
        "epaiqa: stage 1 keeps the worst region", f"{EPAIQA}/fit.py",
        'return float(measured["region"]["mean_iou"])', 'return -float(measured["region"]["mean_iou"])',
        (f"{EPAIQA_LOSSES}::test_the_weights_with_the_best_region_on_the_validation_data_are_kept",),
    ),
    (
        "epaiqa: the best weights by the training data", f"{EPAIQA}/fit.py",
        "tasks, size = materials.validation[stage],", "tasks, size = materials.train[stage],",
        (f"{EPAIQA_LOSSES}::test_the_weights_with_the_best_region_on_the_validation_data_are_kept",),
    ),
    (
        "epaiqa: images before all text", f"{EPAIQA}/assessor.py",
        "answer=answer, inline=self.inline)", "answer=answer)",
        ("tests/plugins/epaiqa/test_prompts.py::test_each_image_stands_where_the_supplement_has_it",),
    ),
    (
        "epaiqa: kinds of questions are compared with one another", f"{EPAIQA}/learner.py",
        "ratings, groups=groups)", "ratings, groups=groups.clamp(max=0))", EPAIQA_TERMS,
    ),
    (
        "epaiqa: levels are compared in the other direction", f"{EPAIQA}/learner.py",
        "(chosen * torch.arange(1, 6,", "(chosen * -torch.arange(1, 6,", EPAIQA_TERMS,
    ),
    (
        "epaiqa: stage 3 compares the few levels that it repeats", f"{EPAIQA}/fit.py",
        'method.rating_loss if stage == "quantitative" else None', "method.rating_loss", EPAIQA_TERMS,
    ),
    (
        "epaiqa: stage 3 forgets what it repeats", f"{EPAIQA}/fit.py",
        'stages.append("quantitative")', "pass", EPAIQA_KEPT,
    ),
    (
        "epaiqa: stage 3 chooses by its first dimension", f"{EPAIQA}/fit.py",
        "for one in measured.values())\n        return", "for one in list(measured.values())[:1])\n        return",
        EPAIQA_KEPT,
    ),
    (
        "epaiqa: ratings are compared on the label scale", f"{EPAIQA}/lessons.py",
        "1 + 4 * (rating - low) / (high - low) if", "rating if", EPAIQA_TERMS,
    ),
    (
        "losses: examples without a rating are compared", f"{MLLM}/losses.py",
        "if group >= 0 and (count", "if (count",
        ("tests/mllm/test_losses.py::test_groups_are_compared_among_themselves_and_weigh_by_their_size",),
    ),
    (
        "lmm4lmm: squared error in place of L1", f"{LMM}/learner.py",
        "return self.loss(rated, wanted,", "return RatingLoss.parse('l2')(rated, wanted,", LMM_LOSS,
    ),
    (
        "lmm4lmm: a state predicts its own token", f"{LMM}/learner.py",
        "row[prompt.answer_start - 1 : len(prompt) - 1]", "row[prompt.answer_start : len(prompt)]", LMM_LOSS,
    ),
    (
        "lmm4lmm: the end of a turn is never taught", f"{LMM}/assessor.py",
        "[*self._words(answer), self.backbone.tokenizer.eos_token_id]", "[*self._words(answer)]", LMM_LOSS,
    ),
    (
        "lmm4lmm: unnormalised ratings", f"{LMM}/fit.py",
        "(example.targets[dimension] - mean) / deviation, share)", "example.targets[dimension], share)", LMM_LOSS,
    ),
    (
        "lmm4lmm: levels off by one", f"{LMM}/fit.py",
        "sentence(dimension, reached)", "sentence(dimension, max(reached - 1, 1))", LMM_LOSS,
    ),
    (
        "lmm4lmm: a rating is read of the token before", f"{LMM}/assessor.py",
        "return self.backbone.forward(prompts).at(-1)", "return self.backbone.forward(prompts).at(-2)", LMM_LOSS,
    ),
    (
        "lmm4lmm: scores in units of the head", f"{LMM}/fit.py",
        "self.heads[dimension] = in_ratings(head, mean, deviation)", "self.heads[dimension] = head",
        (f"{LMM_LOSSES}::test_scores_are_on_the_scale_of_the_ratings",),
    ),
    (
        "lmm4lmm: the best weights by the training data", f"{LMM}/fit.py",
        "self.pictures, self.data.validation, dimension,", "self.pictures, self.data.train, dimension,",
        (f"{LMM_LOSSES}::test_the_weights_that_are_best_on_the_validation_data_are_kept",),
    ),
    (
        "ds_ieqa: cross-entropy in place of TDRL", f"{DS}/digit_loss.py",
        'if self.base == "tdrl":', "if False:", DS_LOSS,
    ),
    (
        "ds_ieqa: a state predicts its own token", f"{DS}/learner.py",
        "[prompt.answer_start - 1 for prompt in prompts]", "[prompt.answer_start for prompt in prompts]", DS_LOSS,
    ),
    (
        "ds_ieqa: equation 4 is a mean where it shall be the sum", f"{DS}/tdrl.py",
        'if cross_entropy_over_tokens == "mean" else len(answers)', 'if cross_entropy_over_tokens else len(answers)',
        ("tests/plugins/ds_ieqa/test_tdrl.py::test_cross_entropy_may_be_the_sum_of_equation_4",),
    ),
    (
        "ds_ieqa: every digit weighs the same", f"{DS}/tdrl.py",
        "steps = 10.0 ** -torch.arange(positions, device=truth.device)",
        "steps = torch.ones(positions, device=truth.device)", DS_LOSS,
    ),
    (
        "ds_ieqa: swapped images in training", f"{DS}/learner.py",
        "pair = self.pictures(sample.source, 2), self.pictures(sample.edited, 2)",
        "pair = self.pictures(sample.edited, 2), self.pictures(sample.source, 2)", DS_LOSS,
    ),
    (
        "ds_ieqa: swapped images in scoring", f"{DS}/assessor.py",
        "return self.backbone.see(source, among=2), self.backbone.see(edited, among=2)",
        "return self.backbone.see(edited, among=2), self.backbone.see(source, among=2)",
        ("tests/plugins/ds_ieqa/test_metric.py::test_the_toy_agrees_with_the_known_quality_of_unseen_edits",),
    ),
    (
        "ds_ieqa: the best weights by the training data", f"{DS}/fit.py",
        "learner.agreement, pairs, data.validation,", "learner.agreement, pairs, data.train,",
        (f"{DS_LOSSES}::test_the_weights_that_are_best_on_the_validation_data_are_kept",),
    ),
    (
        "hpe_lsa: swapped images in training", f"{HPE}/decoders.py",
        "assessor.pair(s.source, s.edited, s.prompt)", "assessor.pair(s.edited, s.source, s.prompt)", (HPE_SCORES,),
    ),
    (
        "hpe_lsa: swapped images everywhere", f"{HPE}/assessor.py",
        "for image in (source, edited)]", "for image in (edited, source)]",
        (f"{HPE_LEARNING}::test_source_and_edited_image_have_their_places",),
    ),
    (
        "hpe_lsa: unnormalised ratings", f"{HPE}/decoders.py",
        "(example.targets[name] - low) / (high - low) for name in dimensions",
        "example.targets[name] for name in dimensions",
        (HPE_SCORES,),
    ),
    (
        "hpe_lsa: LSA on the untuned backbone", f"{HPE}/fit.py",
        "method.analysed_backbone == \"untuned\" else None", "True else None",
        (f"{HPE_LEARNING}::test_the_analysis_is_of_the_states_that_are_read",),
    ),
    (
        "hpe_lsa: equation 1 learns from validation data", f"{HPE}/fit.py",
        "contrastive.Triplets(assessor, data.train, seed, method.positive),\n        collate=contrastive.collate",
        "contrastive.Triplets(assessor, data.validation, seed, method.positive),\n        collate=contrastive.collate",
        (HPE_TUNING,),
    ),
    (
        "hpe_lsa: equation 1 is judged by the training data", f"{HPE}/fit.py",
        "held_out = contrastive.Triplets(assessor, data.validation",
        "held_out = contrastive.Triplets(assessor, data.train",
        (HPE_TUNING,),
    ),
    (
        "hpe_lsa: the best weights by the training data", f"{HPE}/fit.py",
        "validate=lambda: decoders.merit(module.agreement(lessons[\"validation\"])",
        "validate=lambda: decoders.merit(module.agreement(lessons[\"train\"])",
        (f"{HPE_LEARNING}::test_the_weights_that_validation_data_liked_best_are_kept",),
    ),
    (
        "hpe_lsa: LoRA does not see the ratings", f"{HPE}/joint.py",
        "of_pairs = assessor.read(pairs) if", "of_pairs = assessor.read(pairs).detach() if",
        ("tests/plugins/hpe_lsa/test_joint.py::test_the_loss_is_the_sum_of_all_three_and_lora_learns_from_each",),
    ),
    (
        "ds_ieqa: a definition leads within noise", f"{DS}/fdmpo.py",
        "leads=gain > noise)", "leads=gain > 0)",
        ("tests/plugins/ds_ieqa/test_fdmpo.py::test_errors_are_those_of_scipy_and_a_lead_is_a_paired_test",),
    ),
    (
        "ds_ieqa: auto forgets what validation chose", f"{DS}/metric.py",
        "chosen.get(dimension.name, fixed)", "fixed",
        ("tests/plugins/ds_ieqa/test_digit_loss.py::test_auto_takes_what_the_checkpoint_records_for_each_dimension",),
    ),
    (
        "losses: correlation around zero", f"{MLLM}/losses.py",
        "[values - (share * values).sum() for values in (predicted, ratings)]", "[predicted, ratings]",
        ("tests/mllm/test_losses.py::test_plcc_is_one_minus_scipys_and_its_gradient_the_closed_form",),
    ),
    (
        "losses: pairs in either order", f"{MLLM}/losses.py",
        "(rated_by > 0).nonzero", "(rated_by != 0).nonzero",
        ("tests/mllm/test_losses.py::test_ranks_are_sums_over_pairs_written_out",),
    ),
    (
        "wrong split: validation rows are trained on", f"{MLLM}/targets.py",
        "for e, part in zip(examples, parts, strict=True) if part == {n}]",
        "for e, part in zip(examples, parts, strict=True) if max(part) >= n]",
        ("tests/mllm/test_targets.py::test_no_source_is_on_both_sides",),
    ),
    (
        "wrong split: sources are on both sides", f"{MLLM}/targets.py",
        "parts_of_samples(keys, len(samples), ratio, seed)", "parts_of_samples({}, len(samples), ratio, seed)",
        ("tests/mllm/test_targets.py::test_no_source_is_on_both_sides",),
    ),
    (
        "the last weights in place of the best", f"{MLLM}/run_folder.py",
        "value <= self.best_metric)", "value <= -1)",
        ("tests/mllm/test_training.py::test_the_weights_of_the_best_validation_are_kept",),
    ),
    (
        "processes: the first does not wait for the others", f"{MLLM}/processes.py",
        "    distributed.barrier()\n    outcome:", "    outcome:",
        ("tests/mllm/test_processes.py::test_two_processes_wait_share_fail_and_train_together",),
    ),
    (
        "processes: a mean over some examples is that of a micro-batch", f"{MLLM}/loop.py",
        "dtype=torch.float64).mean(0)", "dtype=torch.float64)[0]",
        ("tests/mllm/test_processes.py::"
         "test_a_mean_over_some_examples_is_over_the_whole_batch_however_it_is_divided",),
    ),
    (
        "hpe_lsa: equation 5 is a mean over the edits of a micro-batch", "editmetrics/plugins/hpe_lsa/decoders.py",
        'counts["pair"] or 1.0)', "max(len(predicted), 1))",
        ("tests/plugins/hpe_lsa/test_fit.py::"
         "test_the_loss_of_a_batch_is_the_mean_of_those_of_its_parts_also_of_one_with_real_images_only",),
    ),
)  # fmt: skip
