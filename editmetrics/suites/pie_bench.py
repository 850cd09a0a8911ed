"""The suite of PIE-Bench."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .benchmark_folders import BenchmarkFolders
from .definition import ProtocolDifference, RowBlock, RowField, Suite, SuiteColumn, SuiteSource, TableLayout

if TYPE_CHECKING:
    from ..data import SampleSet

TYPES = {
    "0_random_140": "random",
    "1_change_object_80": "change object",
    "2_add_object_80": "add object",
    "3_delete_object_80": "delete object",
    "4_change_attribute_content_40": "content",
    "5_change_attribute_pose_40": "pose",
    "6_change_attribute_color_40": "colour",
    "7_change_attribute_material_40": "material",
    "8_change_background_80": "background",
    "9_change_style_80": "style",
}
"""The folders of the ten types of editing, whose names begin with the type's id and end in its number of rows."""

COLUMNS = (
    SuiteColumn("Distance", "structure_distance:variant=pie-bench", times=1e3, digits=2),
    SuiteColumn("PSNR", "psnr:variant=pie-bench,region=outside", digits=2),
    SuiteColumn("LPIPS", "lpips:variant=pie-bench,region=outside", times=1e3, digits=2),
    SuiteColumn("MSE", "mse:variant=pie-bench,region=outside", times=1e4, digits=2),
    SuiteColumn("SSIM", "ssim:variant=pie-bench,region=outside", times=1e2, digits=2),
    SuiteColumn("Whole", "clip_text:variant=pie-bench", digits=2),
    SuiteColumn("Edited", "clip_text:variant=pie-bench,region=inside", digits=2),
)


def _read(data: Path, outputs: Sequence[Path], prompts: Path | None) -> SampleSet | None:
    from .pie_bench_folders import read_folders

    return read_folders(data, outputs, prompts)


SUITE = Suite(
    "pie-bench",
    "PIE-Bench's table: structure, preservation of the background, fit to the target prompt. Images of 512 x 512 "
    "pixels, the prompt describes the target, the mask marks the edited region.",
    SuiteSource(
        "Ju et al., PnP Inversion, ICLR 2024, arXiv:2310.01506",
        "cure-lab/PnPInversion",
        "07f97f448150e2ca220bebd54c8f687c5c50c67a",
        code_licence="none",
        data_licence="by form",
        read_on="2026-11-30",
    ),
    (
        TableLayout(
            "pie-bench: structure distance; background (PSNR to SSIM); CLIP similarity, whole and edited part",
            COLUMNS,
            (RowBlock("all types", rows=700),),
        ),
        TableLayout(
            "By type of editing",
            COLUMNS,
            tuple(RowBlock(words, {"type": (name,)}, int(name.rpartition("_")[2])) for name, words in TYPES.items()),
        ),
    ),
    fields=(
        RowField(
            "type",
            ("editing_type_id",),
            tuple(TYPES),
            renamed={str(number): name for number, name in enumerate(TYPES)},
            needed=False,
        ),
    ),
    differences=(
        ProtocolDifference(
            "a region without any pixel",
            "'nan' in the row's cell; no mean is computed",
            "no number; the mean is over the other rows, whose number is printed",
            "pandas' mean is the same, a mean with NaN is not",
        ),
        ProtocolDifference(
            "the PSNR of equal backgrounds",
            "infinite, and with it a mean over all rows",
            "left out of the mean and counted",
            "none where there is none",
        ),
        ProtocolDifference(
            "CLIP similarity of the sources", "a column of the csv, the same for all methods", "not computed", "none"
        ),
    ),
    rows=700,
    unchecked="the data, which are behind a form",
    prompt="caption",
    headings={"prompt": ("editing_prompt",), "source_prompt": ("original_prompt",)},
    folders=BenchmarkFolders(
        "mapping_file.json and annotation_images",
        "the sources' own paths, in the folder or in its annotation_images; any suffix",
        _read,
    ),
)
