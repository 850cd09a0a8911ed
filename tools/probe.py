"""What an untouched backbone knows where an assessor reads it: linear probes of its states, before any training.

    python -m tools.probe MANIFEST

prints for edits of `tools.world` and each assessor's own prompt, up to where its answer begins, the SRCC of ridge
regression on the last token's state of each layer, cross-validated by source. Where a state tells nothing, a training
must first teach the backbone to see it; where it does and the training learns nothing, look at the training.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from editmetrics.data import from_manifest
from editmetrics.images import eight_bits, read_image
from editmetrics.mllm.backbone import IMAGE, Backbone
from editmetrics.mllm.layers import states_of_all_layers
from editmetrics.plugins.ds_ieqa.digit_scale import DigitScale
from editmetrics.plugins.ds_ieqa.prompts import START_DEFINITIONS, answer_start, chat
from editmetrics.plugins.epaiqa.answers import COMPLETION_START
from editmetrics.plugins.epaiqa.prompts import explained_chat
from editmetrics.plugins.hpe_lsa.assessor import PAIR
from editmetrics.plugins.hpe_lsa.probe import Probe, groups_by_source
from editmetrics.sample import Sample
from tools.world.lessons import opening

BATCH = 50
COLUMNS = ("editing_fidelity", "content_preservation", "visual_quality")


def asked(instruction: str) -> Iterator[tuple[str, list[Any], str]]:
    """For each assessor, and a question of the pretraining: its name, the turn of the user, how the answer begins."""
    name = "editing_fidelity"
    ((_, parts),) = chat(IMAGE, instruction, name, START_DEFINITIONS[name], DigitScale(0, 100))
    yield "ds_ieqa", parts, answer_start(name)
    before, between, after = PAIR
    yield "hpe_lsa", [before.replace("{prompt}", instruction), IMAGE, between, IMAGE, after], ""
    ((_, parts),) = explained_chat(IMAGE, instruction)
    yield "epaiqa", parts, COMPLETION_START
    parts = [IMAGE if part is None else part for part in opening(instruction)]
    yield "pretraining", [*parts, "What became of the thing that the prompt names?"], ""


def probes(backbone: Backbone, samples: list[Sample]) -> dict[tuple[str, str], Probe]:
    """By prompt and column, the states of all samples and what is to be read of them."""
    groups, by_name = groups_by_source(samples), dict[tuple[str, str], Probe]()
    for first in range(0, len(samples), BATCH):
        some = samples[first : first + BATCH]
        prompts: dict[str, list[Any]] = {}
        for sample in some:
            pictures = [
                backbone.see(eight_bits(read_image(image)), among=2) for image in (sample.source, sample.edited)
            ]
            for name, parts, answer in asked(sample.prompt or ""):
                prompts.setdefault(name, []).append(backbone.prompt([("user", parts)], pictures, answer=answer))
        for name, of_name in prompts.items():
            states = states_of_all_layers(backbone, of_name, pooling="last").numpy()
            for column in COLUMNS:
                wanted = np.array([[float(sample.meta[column])] for sample in some])
                by_name.setdefault((name, column), Probe()).add(states, wanted, groups[first : first + BATCH])
    return by_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("manifest", type=Path)
    parser.add_argument("--backbone", default="toy-scenes")
    parser.add_argument("--edits", type=int, default=2000)
    options = parser.parse_args()
    rated = [sample for sample in from_manifest(options.manifest) if sample.meta.get(COLUMNS[0])]
    backbone = Backbone.load(options.backbone, device="cpu")
    for (name, column), probe in probes(backbone, rated[: options.edits]).items():
        print(f"| {name} | {column} | {' | '.join(f'{value:.2f}' for value in probe.srcc())} |")


if __name__ == "__main__":
    main()
