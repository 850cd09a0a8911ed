"""The papers' protocols by name: a joined table of scores and ratings in, their named figures out.

>>> for protocol in PROTOCOLS.values():
...     print(protocol.about)
NTIRE 2026 X-AIGC track 2: 0.7 S_in + 0.3 S_out over three dimensions
EvalMi-50K: SRCC, PLCC, KRCC of images; SRCC and RMSE of models; accuracy of yes/no answers
HPE-Bench: detection per editing model, SRCC, KRCC and PLCC of three dimensions, ranking of models
EPAIQA-15K: SRCC and PLCC for each type of edit and overall
EBench-18K: SRCC, KRCC, PLCC, RMSE of edits; SRCC per task; SRCC and RMSE of models; accuracy of answers
AGIQA-3K: SRCC, KRCC, PLCC of images, overall and for each model; SRCC and RMSE of models
AIGCIQA2023: SRCC, KRCC, PLCC of images, overall, for each model and style; means of models
AGIQA-1K: SRCC, KRCC, PLCC of images, overall, for each model, style and place
AIGIQA-20K: SRCC, KRCC, PLCC of images, overall and for each model; means of models
EvalMuse-40K: SRCC, KRCC, PLCC of images, overall, for each model and type of prompt
GenAI-Bench: SRCC, KRCC, PLCC and pairwise accuracy of images; per model and skill
RichHF-18K: SRCC, KRCC, PLCC of images in four respects
TIFA v1.0: SRCC, KRCC, PLCC of images, overall, for each model and origin of prompts
ReasonEdit-22K: PLCC, SRCC and KRCC of edits in three respects
EditReward-Bench of EditScore: accuracy of pairs by dimension, mean of 13 tasks, and of each category
EditReward-Bench of TIGER-Lab: accuracy of pairs with and without ties; whole rankings of 2, 3 and 4 edits
MMRB2: accuracy of a judge's answers, both orders one by one, in each task; and of pairs right in both
VCReward-Bench: accuracy of pairs over all pairs and in each of 21 tasks
GenAI-Bench of TIGER-Lab: accuracy of votes with and without ties, in each task
HPD v2: accuracy of the pairs of each prompt's ranking, as mean of prompts
Pick-a-Pic v1: accuracy on test_unique, half for one-sided ties, threshold from validation_unique
ImageRewardDB: accuracy of pairs of different rank, over all pairs and as mean of prompts
"""

from __future__ import annotations

from ...lazy_table import LazyTable
from .protocol import Protocol

ROOMS = {
    "ntire-x-aigc-2": "ntire_x_aigc_2",
    "evalmi-50k": "evalmi_50k",
    "hpe-bench": "hpe_bench",
    "epaiqa": "epaiqa_15k",
    "ebench-18k": "ebench_18k",
    "agiqa-3k": "agiqa_3k",
    "aigciqa2023": "aigciqa2023",
    "agiqa-1k": "agiqa_1k",
    "aigiqa-20k": "aigiqa_20k",
    "evalmuse-40k": "evalmuse_40k",
    "genai-bench-1600": "genai_bench_1600",
    "richhf-18k": "richhf_18k",
    "tifa-v1": "tifa_v1",
    "reasonedit-22k": "reasonedit_22k",
    "editreward-bench-editscore": "editreward_bench_editscore",
    "editreward-bench-tiger": "editreward_bench_tiger",
    "mmrb2-images": "mmrb2_images",
    "vcreward-bench": "vcreward_bench",
    "genai-bench-tiger": "genai_bench_tiger",
    "hpd-v2": "hpd_v2",
    "pickapic-v1": "pickapic_v1",
    "imagereward-db": "imagereward_db",
}
"""From a protocol's name to the folder of its data set in `editmetrics/benchmarks/`: the one list of data sets."""

PROTOCOLS: LazyTable[Protocol] = LazyTable(
    {name: f"editmetrics.benchmarks.{room}.protocol" for name, room in ROOMS.items()}, "PROTOCOL"
)

__all__ = ["PROTOCOLS", "ROOMS", "Protocol"]
