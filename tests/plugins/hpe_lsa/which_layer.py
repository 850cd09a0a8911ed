"""What each layer is worth, and which one layer-sensitivity analysis takes: the tables in docs/metrics/hpe_lsa.md.

    python -m tests.plugins.hpe_lsa.which_layer                    # the toy backbone, three trainings
    python -m tests.plugins.hpe_lsa.which_layer --deeper 4         # with random layers on top of its four

One contrastive tuning for each seed, then the decoders of each layer, from one and the same training data. The figures
are of test edits, which chose neither layer nor weights. A minute or two for each seed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from editmetrics.mllm.backbone import Backbone, Prompt
from editmetrics.mllm.fitting import FitJob
from editmetrics.plugins.hpe_lsa import decoders
from editmetrics.plugins.hpe_lsa.assessor import LayerAssessor
from editmetrics.plugins.hpe_lsa.fit import train_decoders, tune
from editmetrics.plugins.hpe_lsa.labels import LabelledSet, read_labelled_set
from editmetrics.plugins.hpe_lsa.lsa import LayerStatistics
from editmetrics.plugins.hpe_lsa.method import PRESETS, HPELSAMethod
from editmetrics.plugins.hpe_lsa.metric import HPELSA
from editmetrics.plugins.hpe_lsa.profile import LayerProfile
from tests.plugins.hpe_lsa.conftest import TARGETS
from tests.plugins.hpe_lsa.deeper import deeper
from tests.worlds.edits import toy_edits

States = dict[str, tuple[list[Tensor], list[Tensor]]]
"""Of each part of the data: the states (layers, H) of its images, and of its rated edits."""


class EveryLayer(LayerAssessor):
    """An assessor that gives the states of all layers where it is asked for those of one."""

    def states(self, prompts: Sequence[Prompt]) -> Tensor:
        return self.states_of_all_layers(prompts)


class Study:
    """One data set, a backbone, and the worth of its layers, before the tuning and after."""

    def __init__(self, manifest: Path, backbone: Backbone, folder: Path, seed: int = 0, **settings: object) -> None:
        method, recipe = PRESETS["toy"]
        self.method: HPELSAMethod = replace(method, **{k: v for k, v in settings.items() if hasattr(method, k)})
        self.recipe = replace(recipe, seed=seed, **{k: v for k, v in settings.items() if not hasattr(method, k)})
        self.assessor = EveryLayer(backbone, None, None, self.method.pooling)
        self.data: LabelledSet = read_labelled_set(
            manifest, None, targets=TARGETS, label_scale=(0, 100), group="source", seed=seed
        )
        self.job = FitJob(
            HPELSA, manifest, None, TARGETS, (0, 100), "source", folder, False, None, self.method, self.recipe, backbone
        )

    def tune(self) -> dict[str, float]:
        return tune(self.job, self.assessor, self.data)

    def states(self) -> States:
        return {name: decoders.states(self.assessor, part, list(TARGETS)) for name, part in self.data.parts.items()}

    def profile(self, states: States) -> LayerProfile:
        """As `fit` makes it, of training images."""
        singles, labels = states["train"][0], [e.targets["authenticity"] for e in self.data.train.images]
        found = LayerStatistics(*singles[0].shape, self.method.criterion)
        for label in (1, 0):
            found.add(
                torch.stack([s for s, of in zip(singles, labels, strict=True) if of == label]).numpy(),
                edited=label == 0,
            )
        return found.profile()

    def worth(self, states: States, layer: int) -> dict[str, float]:
        """Decoders trained on this layer: the mean of all on validation data, and each dimension on test data."""
        of_layer = {
            name: ([s[layer - 1] for s in singles], [s[layer - 1] for s in pairs])
            for name, (singles, pairs) in states.items()
        }
        self.assessor.layer = layer
        train_decoders(self.job, self.assessor, self.data, of_layer)
        agreement = self.job.validation
        of_test = {
            name: measures["test balanced_accuracy" if name == "authenticity" else "test srcc"]
            for name, measures in agreement.items()
        }
        return {"validation": float(decoders.merit(agreement) or 0.0), **of_test}

    def done(self) -> None:
        self.job.remove_adapters()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=2400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pooling", choices=["last", "image"], default="image")
    parser.add_argument("--feature", choices=["last", "image", "projected"], help="default: as --pooling")
    parser.add_argument("--decoder-steps", type=int, default=PRESETS["toy"][0].decoder_steps)
    parser.add_argument("--deeper", type=int, default=0, metavar="LAYERS", help="random layers on top of the toy's")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{'':28} layer  S(l)  validation  quality  alignment  preservation  authenticity")
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory() as folder:
            run(Path(folder), seed, arguments)


def run(folder: Path, seed: int, arguments: argparse.Namespace) -> None:
    manifest = toy_edits(folder / "edits", arguments.edits, seed=1000 + seed)
    path = deeper(folder / "deeper", arguments.deeper) if arguments.deeper else "toy-internvl"
    backbone = Backbone.load(path, device="cpu", image_tokens=1280)
    feature = arguments.feature or arguments.pooling
    study = Study(
        manifest, backbone, folder / "run", seed,
        pooling=arguments.pooling, feature=feature, language_lora=feature != "projected",
        decoder_steps=arguments.decoder_steps,
    )  # fmt: skip
    for stage in ("untuned", "tuned"):
        if stage == "tuned":
            study.tune()
        states = study.states()
        profile = study.profile(states)
        rows = [study.worth(states, layer) for layer in range(1, backbone.num_layers + 1)]
        best = int(np.argmax([row["validation"] for row in rows])) + 1
        for layer, row in enumerate(rows, 1):
            said = " LSA" * (layer == profile.chosen) + " best on validation" * (layer == best)
            values = [profile.total[layer - 1], *row.values()]
            shown = "  ".join(f"{value:9.3f}" for value in values)
            print(f"{f'seed {seed} {stage}':28} {layer:5}  {shown}{said}", flush=True)
    study.done()


if __name__ == "__main__":
    main()
