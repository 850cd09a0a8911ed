"""The inputs of benchmarks: where each lies on the hub, and its rows with their images and the names of outputs."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.hub_tables import HubAddress, configuration_of, files_of_split, listing
from ..files.notes import note_once
from ..files.parquet import ParquetFile, StoredImage
from ..files.text import DataError
from ..hub import HubRepository, fetch_files
from .definition import SuiteError
from .input_files import InputFiles, StoredFile
from .shown import FRAME, numbers_of_frames
from .table_of_suites import suite

FileRows = Iterator[tuple[dict[str, Any], Mapping[str, tuple[StoredFile, ...]]]]
"""The columns and the images of each row."""


@dataclass(frozen=True)
class InputRow:
    """One row of a benchmark: the name of its output without a suffix, its columns, and its images by field."""

    name: str
    columns: Mapping[str, Any]
    images: Mapping[str, tuple[StoredImage | StoredFile, ...]]


@dataclass(frozen=True)
class BenchmarkInputs:
    """Where the inputs of a benchmark lie, and how its rows are read.

    - `repository`: of the data set on the hub, `OWNER/NAME`; "" where it is not there, and `advice` says how to get it.
    - `name`: the pattern of an output's name, as the benchmark's script has it, of columns: "{task}/{key}".
    - `images`, `texts`: from a field of `Sample` to the benchmark's column; its other columns stay as they are.
    - `split`: of the data set, whose parquet files are the rows.
    - `patterns`, `read`: without parquet files, which files are needed, and what makes rows of them.
    - `configuration`: of the data set; `constants`: columns that all of its rows have.
    - `parts`: the inputs of several configurations, of which this one is made.
    - `rows`: the number of rows that are expected.
    """

    repository: str
    name: str = ""
    images: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    split: str = "train"
    patterns: tuple[str, ...] = ()
    read: Callable[[InputFiles], FileRows] | None = None
    configuration: str = ""
    constants: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[BenchmarkInputs, ...] = ()
    rows: int | None = None
    advice: str = ""

    @property
    def complete(self) -> bool:
        """Whether its rows have the images that are judged, as those of a benchmark of judges do."""
        return "edited" in self.images or any(part.complete for part in self.parts)


@dataclass(frozen=True)
class InputsOnHub:
    """Facts on the inputs as the hub states them: the commit, the licence, and the files to download."""

    repository: str
    facts: HubRepository
    files: tuple[str, ...]

    @property
    def megabytes(self) -> float | None:
        """The size of all files; None where the hub does not state one."""
        sizes = [self.facts.files[name].size for name in self.files]
        return None if None in sizes else sum(filter(None, sizes)) / 1e6


def ask_hub(inputs: BenchmarkInputs, split: str | None = None) -> InputsOnHub:
    """Ask the hub what a benchmark's inputs are; downloads nothing.

    Raises `DataError` for a benchmark that is not on the hub, with how to get it; `DownloadError` and
    `UnreachableError` for what the hub answers.
    """
    if not inputs.repository:
        raise DataError(inputs.advice)
    address = HubAddress(f"datasets/{inputs.repository}", inner=inputs.configuration)
    if inputs.parts:
        first, *others = (ask_hub(part, split) for part in inputs.parts)
        return InputsOnHub(first.repository, first.facts, sum((one.files for one in others), first.files))
    if inputs.read is None:
        facts, _, files = files_of_split(address, split or inputs.split)
        return InputsOnHub(address.repository, facts, tuple(files))
    facts = listing(address.repository, address.revision)
    files = [name for name in facts.files if any(Path(name).match(pattern) for pattern in inputs.patterns)]
    if not files:
        raise DataError(f"{address} has no files {' or '.join(inputs.patterns)}; {inputs.advice}".rstrip("; "))
    return InputsOnHub(address.repository, facts, tuple(files))


def fetch_inputs(on_hub: InputsOnHub, *, progress: bool = False) -> Path:
    """Download the files into the hub's own cache, unless they are in it, and return the folder that has them."""
    return fetch_files(on_hub.repository, on_hub.facts.commit or "main", on_hub.files, progress=progress)


def input_rows(inputs: BenchmarkInputs, folder: Path, files: tuple[str, ...] | None = None) -> Iterator[InputRow]:
    """Yield the rows of a benchmark whose files lie in `folder`; `files` are those that belong to it, else all.

    Raises `DataError` for files that are not as the benchmark's are.
    """
    for part in inputs.parts:
        yield from input_rows(part, folder, files)
    if inputs.parts:
        return
    if inputs.read is not None:
        try:
            for columns, pictures in inputs.read(InputFiles(folder)):
                yield InputRow(_filled(inputs.name, columns), columns, pictures)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise DataError(f"{folder}: the rows are not as those of {inputs.repository}: {error!r}") from error
        return
    stored = (path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet"))
    named = files if files is not None else tuple(sorted(stored))
    names = [name for name in named if inputs.configuration in ("", configuration_of(name))]
    if not names:
        raise DataError(
            f"{folder} holds no parquet files; expected those of https://huggingface.co/datasets/{inputs.repository}"
        )
    table = ParquetFile(*(folder / name for name in names))
    for number, row in enumerate(table):
        cells = {"number": f"{number:04}", **row, **inputs.constants}
        if lacking := {*inputs.images.values(), *inputs.texts.values(), *_fields(inputs.name)} - cells.keys():
            raise DataError(
                f"{folder}: no column {', '.join(sorted(lacking))}; its columns are {', '.join(cells)}. The data set "
                "has changed, or is another one"
            )
        taken = {column: name for name, column in inputs.texts.items()}
        columns = {taken.get(name, name): cell for name, cell in cells.items() if name not in (*table.images, "number")}
        images = {name: _several(cells[column]) for name, column in inputs.images.items()}
        yield InputRow(
            _filled(inputs.name, cells), columns, {name: several for name, several in images.items() if several}
        )


def _several(cell: Any) -> tuple[StoredImage, ...]:
    listed = cell if isinstance(cell, list) else [cell]
    return tuple(one for one in listed if isinstance(one, StoredImage))


def _fields(pattern: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", pattern)


def _filled(pattern: str, columns: Mapping[str, Any]) -> str:
    return re.sub(r"\{(\w+)\}", lambda one: str(columns[one[1]]), pattern)


BASIC_EDIT = "5ee9b7d61e918692416f79896300f738598c83adff8de737b25be4aaff72dc69"
"""The SHA-256 of ImgEdit-Bench's own list of instructions."""


def read_imgedit(files: InputFiles) -> FileRows:
    """The rows of ImgEdit-Bench (basic): an object from key to path, prompt and edit type."""
    table = files.one_of("singleturn.json", "basic_edit.json")
    data = table.read()
    if hashlib.sha256(data).hexdigest() != BASIC_EDIT:
        note_once(f"{table.name} is not the official basic_edit.json: other copies have other instructions for 57 rows")
    for key, row in json.loads(data).items():
        columns = {"key": key, "prompt": row["prompt"], "edit_type": row["edit_type"]}
        yield columns, {"source": (files.image(row["id"], near=table.name),)}


def read_kris(files: InputFiles) -> FileRows:
    """The rows of KRIS-Bench: an annotation.json in the folder of each category."""
    for table in files.called("annotation.json"):
        category = table.name.split("/")[-2]
        for key, row in json.loads(table.read()).items():
            originals = row["ori_img"] if isinstance(row["ori_img"], list) else [row["ori_img"]]
            columns = {"category": category, "key": key, "prompt": row["ins_en"], "explain_en": row["explain_en"]}
            if category == "temporal_prediction":
                numbers = numbers_of_frames(originals)
                absent = {1, 2, 3, 4} - {*numbers}
                if len(absent) == 1 and len(numbers) == len(originals):  # else the suite says what it lacks
                    columns[FRAME] = absent.pop()
                    originals = [name for _, name in sorted(zip(numbers, originals, strict=True))]
            images = {"source": tuple(files.image(name, near=table.name) for name in originals)}
            if row.get("gt_img"):
                images["reference"] = (files.image(row["gt_img"], near=table.name),)
            yield columns, images


def read_rise(files: InputFiles) -> FileRows:
    """The rows of RISEBench: a list of objects; `reference` is a text, `reference_img` the reference image."""
    table = files.one_of("datav2_total_w_subtask.json", "data_total.json")
    for row in json.loads(table.read()):
        images = {"source": (files.image(row["image"], near=table.name),)}
        if row.get("reference_img"):
            images["reference"] = (files.image(row["reference_img"], near=table.name),)
        renamed = {"instruction": "prompt", "reference": "reference_text"}
        columns = {
            renamed.get(name, name): cell for name, cell in row.items() if name not in ("image", "reference_img")
        }
        yield columns, images


def read_wise(files: InputFiles) -> FileRows:
    """The prompts of WISE, verified edition: a list of objects."""
    for row in json.loads(files.ending("data_verified/merge.json").read()):
        yield {"prompt_id": row["prompt_id"], "prompt": row["Prompt"], "Explanation": row["Explanation"]}, {}


def read_geneval2(files: InputFiles) -> FileRows:
    """The prompts of GenEval 2, which have no ids: they are numbered from 0."""
    lines = files.one_of("geneval2_data.jsonl").read().decode().splitlines()
    for number, line in enumerate(filter(str.strip, lines)):
        yield {"number": f"{number:03}", "prompt": json.loads(line)["prompt"]}, {}


def read_longtext(files: InputFiles) -> FileRows:
    """The prompts of LongText-Bench, English and Chinese."""
    for language, name in (("en", "text_prompts.jsonl"), ("zh", "text_prompts_zh.jsonl")):
        for line in filter(str.strip, files.one_of(name).read().decode().splitlines()):
            row = json.loads(line)
            yield {"language": language, "prompt_id": row["prompt_id"], "prompt": row["prompt"]}, {}


def read_unigenbench(files: InputFiles) -> FileRows:
    """The prompts of UniGenBench, English and Chinese, short and long."""
    for category in ("en", "en_long", "zh", "zh_long"):
        text = files.one_of(f"test_prompts_{category}.csv").read().decode("utf-8")
        for row in csv.DictReader(io.StringIO(text, newline="")):
            yield {"category": category, "index": row["index"], "prompt": row[f"prompt_{category[:2]}"]}, {}


PICTURES = ("*.png", "*.jpg", "*.jpeg", "*.webp", "*.json", "*.zip", "*.tar")

GEDIT = BenchmarkInputs(
    "stepfun-ai/GEdit-Bench",
    "{task_type}/{instruction_language}/{key}",
    {"source": "input_image"},
    {"prompt": "instruction"},
    rows=1212,
)
OMNICONTEXT = BenchmarkInputs(
    "OmniGen2/OmniContext", "{task_type}/{key}", {"source": "input_images"}, {"prompt": "instruction"}, rows=400
)
EMU_EDIT = BenchmarkInputs("facebook/emu_edit_test_set", "{idx}", {"source": "image"}, split="test", rows=3589)
PAIRS = {"edited": "left_image", "rival": "right_image"}
EDITED_PAIRS = {"source": "source_image", "edited": "left_output_image", "rival": "right_output_image"}
GENAI_BENCH = BenchmarkInputs(
    "TIGER-Lab/GenAI-Bench",
    "{task}/{number}",
    split="test_v1",
    parts=tuple(
        BenchmarkInputs(
            "TIGER-Lab/GenAI-Bench",
            "{task}/{number}",
            images,
            texts,
            "test_v1",
            configuration=task,
            constants={"task": task},
        )
        for task, images, texts in (
            ("image_generation", PAIRS, {}),
            ("image_edition", EDITED_PAIRS, {"prompt": "instruct_prompt"}),
        )
    ),
    rows=1735 + 919,
)
IMGEDIT = BenchmarkInputs("sysuyy/ImgEdit", "{key}", patterns=("Benchmark.tar",), read=read_imgedit, rows=737)
KRIS = BenchmarkInputs("Liang0223/KRIS_Bench", "{category}/{key}", patterns=PICTURES, read=read_kris, rows=1267)
RISE = BenchmarkInputs("PhoenixZ/RISEBench", "{category}/{index}", patterns=PICTURES, read=read_rise, rows=360)


def _of_repository(name: str, repository: str, folder: str, pattern: str, read: Any, rows: int) -> BenchmarkInputs:
    """Prompts that lie in the official repository, of which the user has a copy."""
    advice = (
        f"the prompts of {name} lie in its repository: git clone https://github.com/{repository}, then "
        f"editmetrics data {name} FOLDER --from {folder}"
    )
    return BenchmarkInputs("", pattern, read=read, rows=rows, advice=advice)


WISE = _of_repository("wise", "PKU-YuanGroup/WISE", "WISE", "{prompt_id}", read_wise, 1000)
GENEVAL2 = _of_repository("geneval2", "facebookresearch/GenEval2", "GenEval2", "{number}", read_geneval2, 800)
LONGTEXT = _of_repository("longtext", "X-Omni-Team/X-Omni", "X-Omni", "{language}/{prompt_id}", read_longtext, 320)
UNIGENBENCH = _of_repository(
    "unigenbench", "CodeGoat24/UniGenBench", "UniGenBench", "{category}/{index}", read_unigenbench, 2400
)
PIE_BENCH = BenchmarkInputs(
    "",
    advice="the authors of pie-bench hand its data out by a form (https://github.com/cure-lab/PnPInversion); unpacked, "
    "it is scored as it is: editmetrics score PIE-Bench/data outputs/ --suite pie-bench",
)
MAGICBRUSH = BenchmarkInputs(
    "",
    advice="the test set of magicbrush is an archive with a password (https://github.com/OSU-NLP-Group/MagicBrush); "
    "the hub has the other splits. Unpacked, it is scored as it is: editmetrics score test/images outputs/ --suite "
    "magicbrush --prompts test/local_captions.json",
)
INPUTS = {
    "gedit": GEDIT, "imgedit": IMGEDIT, "kris": KRIS, "rise": RISE, "omnicontext": OMNICONTEXT, "emu-edit": EMU_EDIT,
    "genai-bench": GENAI_BENCH,
    "wise": WISE, "geneval2": GENEVAL2, "longtext": LONGTEXT, "unigenbench": UNIGENBENCH, "pie-bench": PIE_BENCH,
    "magicbrush": MAGICBRUSH,
}  # fmt: skip
"""The inputs of the built-in benchmarks, by the name of the suite."""


def inputs_called(name: str) -> BenchmarkInputs:
    """Return the inputs of the suite `name`, built in or of another package.

    Raises `UnknownSuiteError` for an unknown suite, and `SuiteError` for one that does not say where its inputs lie.
    """
    inputs = INPUTS.get(name) or suite(name).inputs
    if inputs is None:
        raise SuiteError(
            f"no inputs are known of the suite {name}; 'editmetrics suite {name}' says what its rows need. "
            f"'editmetrics data' lays out {', '.join(each for each, one in INPUTS.items() if one.repository)}"
        )
    return inputs
