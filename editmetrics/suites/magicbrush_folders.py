"""MagicBrush's test set as it is unpacked, and outputs as its script names them: a folder for each session."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from ..data import SampleSet
from ..data.sample_set import system_names
from ..files.decoding import read_json
from ..files.notes import note_once
from ..files.text import DataError
from ..sample import Sample
from .reading import sample_id

CAPTIONS = "local_captions.json"
TRUTH = re.compile(r"(input|mask\d+|output\d+)\Z")
OUTPUT = re.compile(r"(?:\A|_)(inde_\d+|iter_\d+|1)\Z")
SUFFIXES = (".png", ".jpg", ".jpeg")

Session = Mapping[str, Path]
"""The images of a session by what their names end with: "input", "output2"; "1", "inde_2", "iter_2"."""


def read_folders(data: Path, outputs: Sequence[Path], prompts: Path | None) -> SampleSet | None:
    """Return the samples of the test set in `data` and of folders of outputs; None where `data` is laid out otherwise.

    - Single-turn: turn i is `ID_inde_i.png` (turn 1 `ID_1.png`) against `ID-output{i}.png`; its source is the ground
      truth of the turn before, its mask the turn's.
    - Multi-turn: the last `ID_iter_i.png` (of a session with one turn `ID_1.png`) against the last ground truth; its
      source is the session's input.
    - The prompt is the target's caption in `prompts`, by default `local_captions.json` in the folder or beside it.

    Raises `DataError` for missing captions, and where no output belongs to a session.
    """
    folder = next((one for one in (data, data / "images") if _sessions(one, TRUTH)), None)
    if folder is None:
        return None
    truths = _sessions(folder, TRUTH)
    captions = _captions(folder, prompts)
    samples: list[Sample] = []
    missing: list[str] = []
    foreign: list[str] = []
    for output, system in zip(outputs, system_names(outputs), strict=True):
        edits = _sessions(output, OUTPUT)
        foreign += [sample_id(system, name) for name in edits if name not in truths]
        several = any(key.startswith("iter_") for session in edits.values() for key in session)
        if edits and not several:
            note_once(f"{output}: no image ends in _iter_ and a turn, so that the multi-turn line is left out")
        for name, truth in truths.items():
            rows, lacking = _rows(name, truth, edits.get(name, {}), captions.get(name, {}), several)
            samples += [row if system is None else _of_system(row, system) for row in rows]
            missing += [sample_id(system, f"{name}/{one}") for one in lacking]
    if not samples:
        first = next(iter(truths))
        raise DataError(
            f"no output in {', '.join(map(str, outputs))} belongs to a session of {folder}; expected a folder for each "
            f"session with MagicBrush's names, such as {first}/{first}_1.png, {first}_inde_2.png, {first}_iter_2.png"
        )
    unmatched = {
        "keys": missing,
        "keyless": foreign,
        "without_prompt": [sample.id for sample in samples if not sample.has("prompt")],
    }
    return SampleSet(samples, {kind: names for kind, names in unmatched.items() if names}, origin=str(folder))


def _rows(
    name: str, truth: Session, edits: Session, captions: Mapping[str, str], several: bool
) -> tuple[list[Sample], list[str]]:
    """The samples of a session, and what it lacks; the multi-turn one only if `several` turns have outputs."""
    turns = sum(key.startswith("output") for key in truth)
    single = {1: next((edits[key] for key in ("1", "inde_1", "iter_1") if key in edits), None)}
    single |= {turn: edits.get(f"inde_{turn}") for turn in range(2, turns + 1)}
    final = single[1] if turns == 1 else edits.get(f"iter_{turns}")
    lacking = [f"turn {turn}" for turn, path in single.items() if path is None]
    lacking += ["final turn"] if final is None and turns > 1 and several else []

    def sample(path: Path, turn: int, source: Path | None, mask: Path | None, sets: tuple[bool, bool]) -> Sample:
        target = truth[f"output{turn}"]
        meta = {"session": name, "turn": turn}
        meta |= {"single_turn": "yes" if sets[0] else "no", "multi_turn": "yes" if sets[1] else "no"}
        return Sample(
            f"{name}/{path.stem}",
            edited=os.fspath(path),
            source=None if source is None else os.fspath(source),
            reference=os.fspath(target),
            mask=None if mask is None else os.fspath(mask),
            prompt=captions.get(target.name),
            meta=meta,
        )

    rows: list[Sample] = []
    for turn, path in single.items():
        if path is not None:
            before = truth.get(f"output{turn - 1}", truth.get("input"))
            rows.append(sample(path, turn, before, truth.get(f"mask{turn}"), (True, several and turns == 1)))
    if final is not None and turns > 1:
        rows.append(sample(final, turns, truth.get("input"), None, (False, True)))
    return rows, lacking


def _of_system(row: Sample, system: str) -> Sample:
    return replace(row, id=sample_id(system, row.id), meta={"system": system, **row.meta})


def _sessions(folder: Path, names: re.Pattern[str]) -> dict[str, Session]:
    """The sessions of a folder by name: the folders in it that hold images with such names.

    Raises `DataError` for a session of the test set without one of its targets.
    """
    sessions: dict[str, Session] = {}
    for entry in sorted(folder.iterdir()) if folder.is_dir() else ():
        if not entry.is_dir():
            continue
        files = [path for path in sorted(entry.iterdir()) if path.suffix.lower() in SUFFIXES]
        named = {match[1]: path for path in files if (match := names.search(path.stem))}
        targets = [key for key in named if key.startswith("output")]
        if lacking := [f"output{turn}" for turn in range(1, len(targets) + 1) if f"output{turn}" not in named]:
            raise DataError(f"the session {entry} has {', '.join(targets)} and not {lacking[0]}; unpack it again")
        if targets or (named and names is OUTPUT):
            sessions[entry.name] = named
    return sessions


def _captions(folder: Path, prompts: Path | None) -> dict[str, Mapping[str, str]]:
    if prompts is None:
        prompts = next((one for one in (folder / CAPTIONS, folder.parent / CAPTIONS) if one.is_file()), None)
        if prompts is None:
            raise DataError(
                f"{folder} is MagicBrush's, and its captions are neither there nor in {folder.parent}; give the test "
                f"set's file: --prompts {CAPTIONS}"
            )
        note_once(f"captions of {prompts}")
    captions = read_json(prompts)
    if not isinstance(captions, dict) or not all(isinstance(one, dict) for one in captions.values()):
        raise DataError(
            f"{prompts} is not MagicBrush's: expected captions by session and target, as in "
            '{"123": {"123-output1.png": "a cat on a red sofa"}}'
        )
    if "global" in prompts.name:
        note_once(f"{prompts} has captions of whole sessions; published CLIP-T is of {CAPTIONS}, one for each turn")
    return captions
