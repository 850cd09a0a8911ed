"""Settings that decide about memory and time alone: what they bound, and that they are no part of a training."""

from __future__ import annotations

from editmetrics.mllm.lessons import predicted
from editmetrics.mllm.recipe import ONLY_RESOURCES, Recipe
from editmetrics.mllm.run_folder import differences, settings_of


def test_validation_reads_so_many_prompts_together_as_it_is_told():
    sizes = []

    def predict(batch):
        sizes.append(len(batch))
        return [10 * item for item in batch]

    assert predicted(range(7), predict, 3) == [10 * item for item in range(7)]
    assert sizes == [3, 3, 1]


def test_a_training_resumes_with_other_settings_of_memory_and_with_no_others():
    def settings(**changes):
        recipe = Recipe().adjusted(**changes)
        return settings_of(recipe, 10, {}, {"method": {"definition_cache_gb": 4.0}, "recipe": vars(recipe)})

    before = settings()
    before["recipe"].pop("validation_batch_size")  # an earlier version did not have it
    now = settings(validation_batch_size=2, micro_batch_size=4, workers=3)
    now["about"]["method"]["definition_cache_gb"] = None
    assert differences(before, now) == []
    assert differences(before, settings(batch_size=4)) != []
    assert {"batch_size", "seed", "dtype"}.isdisjoint(ONLY_RESOURCES)
