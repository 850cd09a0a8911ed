"""Planted mistakes in the training of assessors, in suites, preferences, metrics, and the tests that must notice each.

    python -m tests.mutations                  # all of them: some twenty minutes of one core
    python -m tests.mutations swapped          # those whose name holds a word

Each is put into a copy of the checkout, where the tests that are named beside it must fail; without it they pass there.
A mistake that they survive is a defect of the tests: mend the tests, or name better ones. `tests/test_mutations.py`
sees that the list keeps up with the code.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.mutations import MUTATIONS as BENCHMARKS
from tests.conventions.mutations import MUTATIONS as CONVENTIONS
from tests.plugins.image_regressor.mutations import MUTATIONS as REGRESSORS
from tests.plugins.mutations import MUTATIONS as PLUGINS
from tests.publishing.mutations import MUTATIONS as PUBLISHING
from tests.served.mutations import MUTATIONS as SERVED
from tests.suites.mutations import MUTATIONS as SUITES

ROOT = Path(__file__).parents[1]
COPIED = (
    "editmetrics",
    "tests",
    "docs",
    "examples",
    "tools",
    "pyproject.toml",
    "weights_registry.json",
    "CHANGELOG.md",
)
PASSED, FAILED = 0, 1
"""What pytest exits with."""

LOADED = ["torch", "transformers", "peft", "accelerate", "scipy.stats", "pytest"]
"""Imported once, for all processes that run tests."""


@dataclass(frozen=True)
class Mutation:
    """One mistake: in `file`, `old` becomes `new`; some of `tests`, names as pytest takes them, must fail.

    `old` occurs once in the file.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


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
LMM_LOSS = (f"{LMM_LOSSES}::test_each_stage_has_the_loss_of_its_kind",)
DS_LOSS = (f"{DS_LOSSES}::test_the_loss_is_the_papers_or_its_ablations",)

MUTATIONS = (
    Mutation(
        "epaiqa: a state predicts its own token", f"{EPAIQA}/learner.py",
        "row[p.answer_start - 1 : len(p) - 1]", "row[p.answer_start : len(p)]", EPAIQA_LOSS,
    ),
    Mutation(
        "epaiqa: one mean over all tokens", f"{EPAIQA}/learner.py",
        "answers.append((weights * losses).sum() / weights.sum())",
        "answers.append((weights * losses).sum() * len(prompts) / len(words))", EPAIQA_LOSS,
    ),
    Mutation(
        "epaiqa: the first level word of an answer weighs more, and not the one that is read", f"{EPAIQA}/learner.py",
        "*levels[-1:]]", "*levels[:1]]",
        (f"{EPAIQA_LOSSES}::test_what_scores_are_read_from_weighs_as_it_is_told",),
    ),
    Mutation(
        "epaiqa: every harmony and naturalness is fair", f"{EPAIQA}/lessons.py",
        "level_of(rating, low, high), soft=", '"fair", soft=', EPAIQA_LOSS,
    ),
    Mutation(
        "epaiqa: the end of a turn is never taught", f"{EPAIQA}/assessor.py",
        "torch.cat([prompt.ids, torch.tensor([self.backbone.tokenizer.eos_token_id])])", "prompt.ids", EPAIQA_LOSS,
    ),
    Mutation(
        "epaiqa: swapped images", f"{EPAIQA}/assessor.py",
        "return self.backbone.see(source, among=2), self.backbone.see(edited, among=2)",
        "return self.backbone.see(edited, among=2), self.backbone.see(source, among=2)", EPAIQA_LOSS,
    ),
    Mutation(
        "epaiqa: naturalness is taught of the whole image", f"{EPAIQA}/assessor.py",
        "[self.backbone.see(region.cut(edited))]", "[self.backbone.see(edited)]", EPAIQA_LOSS,
    ),
    Mutation(
        "epaiqa: stage 1 keeps the worst region", f"{EPAIQA}/fit.py",
        'return float(measured["region"]["mean_iou"])', 'return -float(measured["region"]["mean_iou"])',
        (f"{EPAIQA_LOSSES}::test_the_weights_with_the_best_region_on_the_validation_data_are_kept",),
    ),
    Mutation(
        "epaiqa: the best weights by the training data", f"{EPAIQA}/fit.py",
        "tasks, size = materials.validation[stage],", "tasks, size = materials.train[stage],",
        (f"{EPAIQA_LOSSES}::test_the_weights_with_the_best_region_on_the_validation_data_are_kept",),
    ),
    Mutation(
        "epaiqa: images before all text", f"{EPAIQA}/assessor.py",
        "answer=answer, inline=self.inline)", "answer=answer)",
        ("tests/plugins/epaiqa/test_prompts.py::test_each_image_stands_where_the_supplement_has_it",),
    ),
    Mutation(
        "lmm4lmm: squared error in place of L1", f"{LMM}/learner.py",
        "return self.loss(rated, wanted,", "return RatingLoss.parse('l2')(rated, wanted,", LMM_LOSS,
    ),
    Mutation(
        "lmm4lmm: a state predicts its own token", f"{LMM}/learner.py",
        "row[prompt.answer_start - 1 : len(prompt) - 1]", "row[prompt.answer_start : len(prompt)]", LMM_LOSS,
    ),
    Mutation(
        "lmm4lmm: the end of a turn is never taught", f"{LMM}/assessor.py",
        "[*self._words(answer), self.backbone.tokenizer.eos_token_id]", "[*self._words(answer)]", LMM_LOSS,
    ),
    Mutation(
        "lmm4lmm: unnormalised ratings", f"{LMM}/fit.py",
        "(example.targets[dimension] - mean) / deviation, share)", "example.targets[dimension], share)", LMM_LOSS,
    ),
    Mutation(
        "lmm4lmm: levels off by one", f"{LMM}/fit.py",
        "sentence(dimension, reached)", "sentence(dimension, max(reached - 1, 1))", LMM_LOSS,
    ),
    Mutation(
        "lmm4lmm: a rating is read of the token before", f"{LMM}/assessor.py",
        "return self.backbone.forward(prompts).at(-1)", "return self.backbone.forward(prompts).at(-2)", LMM_LOSS,
    ),
    Mutation(
        "lmm4lmm: scores in units of the head", f"{LMM}/fit.py",
        "self.heads[dimension] = in_ratings(head, mean, deviation)", "self.heads[dimension] = head",
        (f"{LMM_LOSSES}::test_scores_are_on_the_scale_of_the_ratings",),
    ),
    Mutation(
        "lmm4lmm: the best weights by the training data", f"{LMM}/fit.py",
        "self.pictures, self.data.validation, dimension,", "self.pictures, self.data.train, dimension,",
        (f"{LMM_LOSSES}::test_the_weights_that_are_best_on_the_validation_data_are_kept",),
    ),
    Mutation(
        "ds_ieqa: cross-entropy in place of TDRL", f"{DS}/digit_loss.py",
        'if self.base == "tdrl":', "if False:", DS_LOSS,
    ),
    Mutation(
        "ds_ieqa: a state predicts its own token", f"{DS}/learner.py",
        "[prompt.answer_start - 1 for prompt in prompts]", "[prompt.answer_start for prompt in prompts]", DS_LOSS,
    ),
    Mutation(
        "ds_ieqa: equation 4 is a mean where it shall be the sum", f"{DS}/tdrl.py",
        'if cross_entropy_over_tokens == "mean" else len(answers)', 'if cross_entropy_over_tokens else len(answers)',
        ("tests/plugins/ds_ieqa/test_tdrl.py::test_cross_entropy_may_be_the_sum_of_equation_4",),
    ),
    Mutation(
        "ds_ieqa: every digit weighs the same", f"{DS}/tdrl.py",
        "steps = 10.0 ** -torch.arange(positions, device=truth.device)",
        "steps = torch.ones(positions, device=truth.device)", DS_LOSS,
    ),
    Mutation(
        "ds_ieqa: swapped images in training", f"{DS}/learner.py",
        "pair = self.pictures(sample.source, 2), self.pictures(sample.edited, 2)",
        "pair = self.pictures(sample.edited, 2), self.pictures(sample.source, 2)", DS_LOSS,
    ),
    Mutation(
        "ds_ieqa: swapped images in scoring", f"{DS}/assessor.py",
        "return self.backbone.see(source, among=2), self.backbone.see(edited, among=2)",
        "return self.backbone.see(edited, among=2), self.backbone.see(source, among=2)",
        ("tests/plugins/ds_ieqa/test_metric.py::test_the_toy_agrees_with_the_known_quality_of_unseen_edits",),
    ),
    Mutation(
        "ds_ieqa: the best weights by the training data", f"{DS}/fit.py",
        "learner.agreement, pairs, data.validation,", "learner.agreement, pairs, data.train,",
        (f"{DS_LOSSES}::test_the_weights_that_are_best_on_the_validation_data_are_kept",),
    ),
    Mutation(
        "hpe_lsa: swapped images in training", f"{HPE}/decoders.py",
        "assessor.pair(s.source, s.edited, s.prompt)", "assessor.pair(s.edited, s.source, s.prompt)", (HPE_SCORES,),
    ),
    Mutation(
        "hpe_lsa: swapped images everywhere", f"{HPE}/assessor.py",
        "for image in (source, edited)]", "for image in (edited, source)]",
        (f"{HPE_LEARNING}::test_source_and_edited_image_have_their_places",),
    ),
    Mutation(
        "hpe_lsa: unnormalised ratings", f"{HPE}/decoders.py",
        "(example.targets[name] - low) / (high - low) for name in dimensions",
        "example.targets[name] for name in dimensions",
        (HPE_SCORES,),
    ),
    Mutation(
        "hpe_lsa: LSA on the untuned backbone", f"{HPE}/fit.py",
        "method.analysed_backbone == \"untuned\" else None", "True else None",
        (f"{HPE_LEARNING}::test_the_analysis_is_of_the_states_that_are_read",),
    ),
    Mutation(
        "hpe_lsa: equation 1 learns from validation data", f"{HPE}/fit.py",
        "contrastive.Triplets(assessor, data.train, seed, method.positive),\n        collate=contrastive.collate",
        "contrastive.Triplets(assessor, data.validation, seed, method.positive),\n        collate=contrastive.collate",
        (HPE_TUNING,),
    ),
    Mutation(
        "hpe_lsa: equation 1 is judged by the training data", f"{HPE}/fit.py",
        "held_out = contrastive.Triplets(assessor, data.validation",
        "held_out = contrastive.Triplets(assessor, data.train",
        (HPE_TUNING,),
    ),
    Mutation(
        "hpe_lsa: the best weights by the training data", f"{HPE}/fit.py",
        "validate=lambda: decoders.merit(module.agreement(lessons[\"validation\"])",
        "validate=lambda: decoders.merit(module.agreement(lessons[\"train\"])",
        (f"{HPE_LEARNING}::test_the_weights_that_validation_data_liked_best_are_kept",),
    ),
    Mutation(
        "hpe_lsa: LoRA does not see the ratings", f"{HPE}/joint.py",
        "of_pairs = assessor.read(pairs) if", "of_pairs = assessor.read(pairs).detach() if",
        ("tests/plugins/hpe_lsa/test_joint.py::test_the_loss_is_the_sum_of_all_three_and_lora_learns_from_each",),
    ),
    Mutation(
        "ds_ieqa: a definition leads within noise", f"{DS}/fdmpo.py",
        "leads=gain > noise)", "leads=gain > 0)",
        ("tests/plugins/ds_ieqa/test_fdmpo.py::test_errors_are_those_of_scipy_and_a_lead_is_a_paired_test",),
    ),
    Mutation(
        "ds_ieqa: auto forgets what validation chose", f"{DS}/metric.py",
        "chosen.get(dimension.name, fixed)", "fixed",
        ("tests/plugins/ds_ieqa/test_digit_loss.py::test_auto_takes_what_the_checkpoint_records_for_each_dimension",),
    ),
    Mutation(
        "losses: correlation around zero", f"{MLLM}/losses.py",
        "[values - (share * values).sum() for values in (predicted, ratings)]", "[predicted, ratings]",
        ("tests/mllm/test_losses.py::test_plcc_is_one_minus_scipys_and_its_gradient_the_closed_form",),
    ),
    Mutation(
        "losses: pairs in either order", f"{MLLM}/losses.py",
        "(rated_by > 0).nonzero", "(rated_by != 0).nonzero",
        ("tests/mllm/test_losses.py::test_ranks_are_sums_over_pairs_written_out",),
    ),
    Mutation(
        "wrong split: validation rows are trained on", f"{MLLM}/targets.py",
        "for e, part in zip(examples, parts, strict=True) if part == {n}]",
        "for e, part in zip(examples, parts, strict=True) if max(part) >= n]",
        ("tests/mllm/test_targets.py::test_no_source_is_on_both_sides",),
    ),
    Mutation(
        "wrong split: sources are on both sides", f"{MLLM}/targets.py",
        "parts_of_samples(keys, len(samples), ratio, seed)", "parts_of_samples({}, len(samples), ratio, seed)",
        ("tests/mllm/test_targets.py::test_no_source_is_on_both_sides",),
    ),
    Mutation(
        "the last weights in place of the best", f"{MLLM}/run_folder.py",
        "value <= self.best_metric)", "value <= -1)",
        ("tests/mllm/test_training.py::test_the_weights_of_the_best_validation_are_kept",),
    ),
    Mutation(
        "processes: the first does not wait for the others", f"{MLLM}/processes.py",
        "    distributed.barrier()\n    outcome:", "    outcome:",
        ("tests/mllm/test_processes.py::test_two_processes_wait_share_fail_and_train_together",),
    ),
    Mutation(
        "processes: a mean over some examples is that of a micro-batch", f"{MLLM}/loop.py",
        "dtype=torch.float64).mean(0)", "dtype=torch.float64)[0]",
        ("tests/mllm/test_processes.py::"
         "test_a_mean_over_some_examples_is_over_the_whole_batch_however_it_is_divided",),
    ),
    Mutation(
        "hpe_lsa: equation 5 is a mean over the edits of a micro-batch", "editmetrics/plugins/hpe_lsa/decoders.py",
        'counts["pair"] or 1.0)', "max(len(predicted), 1))",
        ("tests/plugins/hpe_lsa/test_fit.py::"
         "test_the_loss_of_a_batch_is_the_mean_of_those_of_its_parts_also_of_one_with_real_images_only",),
    ),
    *(Mutation(f"benchmarks: {name}", *more) for name, *more in BENCHMARKS),
    *(Mutation(f"suites: {name}", *more) for name, *more in SUITES),
    *(Mutation(f"publishing: {name}", *more) for name, *more in PUBLISHING),
    *(Mutation(f"conventions: {name}", *more) for name, *more in CONVENTIONS),
    *(Mutation(f"served: {name}", *more) for name, *more in SERVED),
    *(Mutation(f"plugins: {name}", *more) for name, *more in (*PLUGINS, *REGRESSORS)),
)  # fmt: skip


@contextmanager
def copied_checkout() -> Iterator[Path]:
    """A copy of the checkout in a folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        for name in COPIED:
            source, copy = ROOT / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_file():
                shutil.copy(source, copy)
        yield Path(folder)


def run_tests(checkout: Path, tests: Sequence[str]) -> tuple[int, str]:
    """The exit code of pytest for `tests` in `checkout`, and the end of what it printed; in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    own, other = context.Pipe(duplex=False)
    process = context.Process(target=_pytest, args=(str(checkout), list(tests), other))
    process.start()
    other.close()
    try:
        return own.recv()
    except EOFError:
        return process.exitcode or -1, "the process of the tests died"
    finally:
        process.join()


def _pytest(checkout: str, tests: list[str], result: Any) -> None:
    """In a fresh process: run `tests` with the modules of `checkout` alone, and send the exit code and the output."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("editmetrics", "tests")]:
        del sys.modules[name]
    os.chdir(checkout)
    sys.path[:] = [checkout, *(path for path in sys.path if path not in ("", str(ROOT)))]
    sys.dont_write_bytecode = True
    os.environ["PYTHONPATH"] = checkout
    import pytest

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = pytest.main(["-n", "0", "-q", "-x", "-p", "no:cacheprovider", *tests])
    import editmetrics

    if not str(editmetrics.__file__).startswith(checkout):
        code = -1
    result.send((int(code), output.getvalue()[-2000:]))


def survives(mutation: Mutation, checkout: Path) -> bool:
    """Whether the tests of `mutation` pass with it. Raises `RuntimeError` where they could not be run."""
    file = checkout / mutation.file
    text = file.read_text(encoding="utf-8")
    file.write_text(mutated(mutation, text), encoding="utf-8")
    try:
        code, output = run_tests(checkout, mutation.tests)
    finally:
        file.write_text(text, encoding="utf-8")
    if code not in (PASSED, FAILED):
        raise RuntimeError(f"{mutation.name}: pytest exited with {code}:\n{output}")
    return code == PASSED


def mutated(mutation: Mutation, text: str) -> str:
    """The file's `text` with the mistake in it. Raises `ValueError` unless `old` occurs in it once."""
    if (count := text.count(mutation.old)) != 1:
        raise ValueError(f"{mutation.name}: {mutation.file} has {mutation.old!r} {count} times; expected once")
    return text.replace(mutation.old, mutation.new)


def survivors(mutations: Iterable[Mutation]) -> list[str]:
    """The names of the mutations that their tests do not notice; prints a line for each mutation.

    Raises `RuntimeError` where the tests fail without any mutation.
    """
    alive, mutations = [], list(mutations)
    with copied_checkout() as checkout:
        code, output = run_tests(checkout, list(dict.fromkeys(test for each in mutations for test in each.tests)))
        if code != PASSED:
            raise RuntimeError(f"the tests fail without a mutation:\n{output}")
        for mutation in mutations:
            survived = survives(mutation, checkout)
            print(f"{'SURVIVED' if survived else 'killed':9} {mutation.name}", flush=True)
            if survived:
                alive.append(mutation.name)
    return alive


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", nargs="?", default="", help="run only the mutations whose name holds this word")
    word = parser.parse_args().word
    chosen = [mutation for mutation in MUTATIONS if word in mutation.name]
    alive = survivors(chosen)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
