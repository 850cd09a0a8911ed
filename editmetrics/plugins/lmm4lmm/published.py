"""The authors' weights: downloaded, converted once, and kept beside the other weights."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import TYPE_CHECKING

from .chat_layout import ConversionError
from .convert import LORA_FILE, convert
from .prompts import QUESTIONS

if TYPE_CHECKING:
    from ...mllm.checkpoint import Checkpoint

logger = logging.getLogger(__name__)

INDEX = "model.safetensors.index.json"
"""The list of a model's weight files, which the registry does not know by name."""


def published(entry: str, part: str) -> Checkpoint:
    """The checkpoint of `entry` in the weights registry ("lmm4lmm.perception", ...), for the task `part`.

    Raises `WeightsError` where it cannot be downloaded and `ConversionError` where it is not what it should be.
    """
    from filelock import FileLock

    from ... import weights
    from ...mllm.checkpoint import METRIC, read_checkpoint
    from .metric import LMM4LMM

    folder = weights.pull(entry)
    digest = "".join(weights.checksums([entry])[entry].values())
    converted = weights.store() / "converted" / f"{entry}-{_short(f'{digest} {LMM4LMM.version}')}"
    converted.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{converted}.lock"):  # of two processes one converts, and the other waits
        if not (converted / METRIC).is_file():
            _fetch_weights(entry, folder, lora_too=part == QUESTIONS)
            logger.info("converting %s into %s, once; it takes some minutes and 20 GB of memory", entry, converted)
            convert(folder, converted, part=part)
    return read_checkpoint(converted, metric=LMM4LMM)


def _fetch_weights(entry: str, folder: Path, lora_too: bool) -> None:
    """Download the files that the repository's own index lists, where they are not there.

    `lora_too`: and that of the adapters, if the repository has it; the authors' code takes it where it is there.
    """
    from huggingface_hub.errors import EntryNotFoundError

    from ... import weights
    from ...downloads import DownloadError, fetch_from_hub

    source = weights.checkpoint(entry).source

    def fetch(file: str) -> Path:
        if not (folder / file).is_file():
            fetch_from_hub(str(source.repository), source.revision, file, folder, progress=False)
        return folder / file

    try:
        index = fetch(INDEX)
        files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
        if outside := [file for file in files if Path(file).name != file]:
            raise ConversionError(f"{index} names {outside[0]!r}; expected files of its own folder")
        for file in files:
            logger.info("downloading %s of %s", file, entry)
            fetch(file)
        if lora_too:
            try:
                fetch(LORA_FILE)
            except DownloadError as error:
                if not isinstance(error.__cause__, EntryNotFoundError):
                    raise
    except DownloadError as error:
        raise weights.WeightsError(
            f"{entry} was not downloaded: {error}. To fetch it by hand, save all files of "
            f"https://huggingface.co/{source.repository} in {folder}"
        ) from error
    except (KeyError, ValueError, AttributeError) as error:
        raise ConversionError(f"{folder / INDEX} is no index of weight files: {error}") from error


def _short(digest: str) -> str:
    import hashlib

    return hashlib.sha256(digest.encode()).hexdigest()[:12]
