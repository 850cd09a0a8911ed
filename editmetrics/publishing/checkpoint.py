"""A trained metric as a model of the hub: the files that its `metric.json` names, and a card."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ..mllm.checkpoint import CARD, METRIC, read_checkpoint
from ..mllm.hub_checkpoint import SUFFIXES
from ..wording import first_few
from .plan import PublishingError, UploadFile
from .scrub import Scrubber, problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..mllm.checkpoint import TrainedCheckpoint

VOCABULARY = frozenset({"tokenizer.json", "vocab.json", "merges.txt", "tokenizer.model", "spiece.model"})
"""Files of a tokenizer, whose entries look like anything; they are as the backbone's publisher wrote them."""

README = "README.md"

LONGEST_HEAD = 100_000_000
"""The longest head of a safetensors file that the library reads, in bytes."""


def checkpoint_files(folder: Path, repository: str, allowed: Sequence[str] = ()) -> tuple[list[UploadFile], list[str]]:
    """Return the files of the checkpoint in `folder`, and notes on what was replaced and what stays.

    `allowed`: names of this user or machine that may stand in the metadata of weights.

    Every file is verified first, and links that lead out of the folder are refused (`CheckpointError`). Raises
    `PublishingError` for files of other kinds than a checkpoint may hold.
    """
    checkpoint = read_checkpoint(folder)
    if odd := [path for path in checkpoint.files if PurePosixPath(path).suffix not in SUFFIXES]:
        raise PublishingError(
            f"{folder}: {METRIC} names {odd[0]}; only these may be published: {', '.join(sorted(SUFFIXES))}"
        )
    if README in checkpoint.files:
        raise PublishingError(f"{folder}: {METRIC} names {README}, which the hub shows; its card is {CARD}")
    scrubber = Scrubber()
    files = [_file(checkpoint, path, scrubber, allowed) for path in checkpoint.files]
    description = (folder / METRIC).read_bytes()
    original = json.loads(description)
    described = scrubber.value(original)
    changed = {
        file.path: digest
        for file in files
        if isinstance(file.content, bytes)
        and (digest := hashlib.sha256(file.content).hexdigest()) != checkpoint.files[file.path]
    }
    if changed or described != original:
        described["files"] = {**checkpoint.files, **changed}
        description = (json.dumps(described, indent=2, ensure_ascii=False) + "\n").encode()
    card = scrubber.text(_readme(checkpoint, repository))
    texts = [UploadFile(README, card.encode()), UploadFile(METRIC, description)]
    return [*texts, *files], _notes(checkpoint, scrubber, description)


def _file(checkpoint: TrainedCheckpoint, path: str, scrubber: Scrubber, allowed: Sequence[str]) -> UploadFile:
    """One file: weights and vocabularies as they are, other texts scrubbed.

    Raises `PublishingError` for a damaged one.
    """
    file = checkpoint.folder / path
    unchanged = UploadFile(path, file, checkpoint.files[path])
    try:
        if file.suffix == ".safetensors":
            if private := list(problems(path, _metadata(file), images=False, allowed=allowed)):
                raise PublishingError(
                    f"{checkpoint.folder}: the metadata of {private[0]}; remove it, and train or convert anew"
                )
            return unchanged
        if file.name in VOCABULARY or file.suffix == ".model":
            return unchanged
        return UploadFile(path, _scrubbed(file, scrubber))
    except ValueError as error:
        expected = {".safetensors": "safetensors", ".json": "JSON"}.get(file.suffix, "text in UTF-8")
        raise PublishingError(f"{file} is damaged; expected {expected} ({error}); train or convert anew") from error


def _scrubbed(file: Path, scrubber: Scrubber) -> bytes:
    """The scrubbed content of a text or JSON file. Raises `ValueError` for one that is neither."""
    content = file.read_bytes()
    if file.suffix != ".json":
        return _scrubbed_lines(content.decode("utf-8"), scrubber).encode()
    value = json.loads(content)
    scrubbed = scrubber.value(value)
    if scrubbed == value:
        return content
    return json.dumps(scrubbed, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")


def _scrubbed_lines(text: str, scrubber: Scrubber) -> str:
    return "\n".join(scrubber.text(line) for line in text.split("\n"))


def _metadata(file: Path) -> str:
    """The metadata in the head of a safetensors file, as text. Raises `ValueError` for a damaged head."""
    with file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        head = json.loads(stream.read(min(length, LONGEST_HEAD)))
    if not isinstance(head, dict):
        raise ValueError("its head lacks an object of JSON")
    return json.dumps(head.get("__metadata__", {}), ensure_ascii=False)


def _readme(checkpoint: TrainedCheckpoint, repository: str) -> str:
    """The card as the hub shows it, with a head that says what it is; without one, a few lines."""
    file = checkpoint.folder / CARD
    card = file.read_text(encoding="utf-8") if CARD in checkpoint.files else f"# {checkpoint.metric}, trained\n"
    head: list[Any] = ["library_name: editmetrics", "tags:", "- editmetrics", f"- {checkpoint.metric}"]
    model = (checkpoint.backbone or {}).get("model")
    if isinstance(model, str) and re.fullmatch(r"[A-Za-z0-9][\w.-]*/[\w.-]+", model):
        head.append(f"base_model: {model}")
    return "\n".join(["---", *head, "---", "", card.replace("PATH OF THIS FOLDER", f"hub:{repository}")])


def _notes(checkpoint: TrainedCheckpoint, scrubber: Scrubber, description: bytes) -> list[str]:
    notes = scrubber.notes()
    digest = hashlib.sha256(description).hexdigest()
    if digest != checkpoint.digest:
        notes.append(
            f"so {METRIC} changes, and with it the digest by which results name the checkpoint: {digest[:16]} in the "
            f"place of {checkpoint.digest[:16]}; its numbers are the same"
        )
    named = {METRIC, *checkpoint.files}
    every = (path for path in checkpoint.folder.rglob("*") if path.is_file())
    if staying := sorted({path.relative_to(checkpoint.folder).as_posix() for path in every} - named):
        notes.append(f"stays here: {first_few(staying)}, which {METRIC} does not name")
    notes.append(
        "its users are bound by the licences of the backbone and of the training data; name yours in README.md"
    )
    return notes
