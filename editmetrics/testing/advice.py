"""What to do about a failed check of the conformance kit, for people; the problem itself says what was found."""

from __future__ import annotations

ADVICE: dict[str, str] = {
    "light_import": "Move imports of torch, PIL and the like from the top of the module into its methods.",
    "declaration": "Correct the class attributes: name, version, needs, uses, dimensions, requires, concurrent.",
    "documentation": "Complete the class docstring (summary, 'Options:'), and the attributes paper and licence.",
    "constructor": "Let __init__ take keywords with defaults and types, and only store each under its own name.",
    "options": "Store every option as it was given, so that the label rebuilds the same metric.",
    "identity": "Start from super().identity() and add what else changes a number: weights, prompts, preprocessing.",
    "pickling": "Keep what cannot be pickled out of the options; load() makes it again.",
    "scores": "Return one Score a sample from score_batch, with every declared dimension, in its range, and never NaN.",
    "ladders": "Check the sign, the formula and higher_is_better: a worse image must score worse.",
    "optimum": "Check constants and the declared range: identical images must reach its best end.",
    "batch_invariance": "Reduce over each item alone, never over the batch; pad nothing, or mask what is padded.",
    "engine_invariance": "Let score_batch depend on nothing but the prepared samples that it is given.",
    "determinism": "Draw from a generator with a fixed seed, switch dropout off, and keep no state between calls.",
    "undeclared_fields": "Name every field that changes a score in needs, or in uses.",
    "inputs_unmodified": "Copy an array or tensor before writing into it.",
    "threads": "Keep no state in prepare; set concurrent = False if score_batch keeps any.",
    "side_effects": "Print nothing (log instead), and leave global seeds, thread counts and default types alone.",
    "input_kinds": "Read images with editmetrics.images.read_image, and nothing else.",
    "image_modes": "Read images with editmetrics.images.read_image, and nothing else.",
    "missing_fields": "Name the field in needs, or add it in required() for the option that wants it.",
    "corrupt_file": "Read images in prepare, with editmetrics.images.read_image, and let its error pass.",
    "sizes": "Raise SampleError, with the size that is needed, for images that are too small or differ in size.",
    "flat_images": "Guard divisions by a variance, a norm or a maximum that may be 0; check the declared range.",
}
"""From a check to what its author usually has to do; `docs/conformance.md` says what each demands and why."""
