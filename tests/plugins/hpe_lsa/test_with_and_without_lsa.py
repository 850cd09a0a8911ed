"""What layer-sensitivity analysis is worth where it has something to find, by the door of all and on unseen edits.

The backbone is the toy with four random layers on top: what was readable further down is covered up there. It is taken
as it is, or tuned by equation 1 below the language model. (The tables in docs/metrics/hpe_lsa.md, of `which_layer.py`,
also have the case in which the analysis gains nothing: tuned at the last layer.)
"""

import json

import pytest

from editmetrics.plugins.hpe_lsa.metric import HPELSA
from tests.worlds.edits import toy_edits

from .conftest import TARGETS
from .deeper import deeper

pytestmark = pytest.mark.slow  # a minute and a half on a quiet core

TUNINGS = {
    "untuned": {"vision_lora": False, "language_lora": False},
    "tuned": {"language_lora": False, "feature": "projected"},
}
TOY_LAYERS, ADDED = 4, 4


@pytest.fixture(scope="module", params=TUNINGS)
def trained(request, tmp_path_factory):
    """The checkpoints' metric.json, trained with and without the analysis on 480 edits split 4:1:1."""
    folder = tmp_path_factory.mktemp("lsa")
    backbone = str(deeper(folder / "backbone", ADDED))
    manifest = str(toy_edits(folder / "edits", 480, seed=21))
    for lsa in (True, False):
        HPELSA(backbone=backbone).to("cpu").fit(
            manifest, targets=TARGETS, output_dir=folder / str(lsa), preset="toy", lsa=lsa, decoder_steps=300,
            **TUNINGS[request.param],
        )  # fmt: skip
    return {lsa: json.loads((folder / str(lsa) / "metric.json").read_text()) for lsa in (True, False)}


def test_the_analysis_reads_below_the_layers_that_cover_up(trained):
    assert trained[False]["settings"]["layer"] == TOY_LAYERS + ADDED
    assert trained[True]["settings"]["layer"] <= TOY_LAYERS


def test_detection_and_ratings_of_unseen_edits_gain_by_it(trained):
    """80 test edits of 20 sources, and these: one SRCC is uncertain by about 0.1, the mean of three by half of it."""
    found = {lsa: said["validation"] for lsa, said in trained.items()}
    srcc = {
        lsa: [of["test srcc"] for name, of in said.items() if name != "authenticity"] for lsa, said in found.items()
    }
    assert min(of["test n"] for of in found[True].values()) == 80
    assert sum(srcc[True]) / 3 > sum(srcc[False]) / 3 + 0.05, srcc
    assert srcc[True][0] > srcc[False][0] + 0.05, srcc  # perceptual quality, which the first layers know best
    detection = {lsa: said["authenticity"]["test balanced_accuracy"] for lsa, said in found.items()}
    assert detection[True] > 0.8, detection
    assert detection[True] >= detection[False] - 0.05, detection
