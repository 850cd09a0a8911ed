"""The authors' weights: downloaded, converted once, and kept beside the other weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from ...metric import Metric
from ...mllm.families import BackboneError
from ...mllm.model_folders import INDEX, WEIGHTS, weight_files
from .chat_layout import ConversionError
from .convert import convert

if TYPE_CHECKING:
    from ...mllm.checkpoint import TrainedCheckpoint

logger = logging.getLogger(__name__)

CONVERSION = 2
"""Rises when a conversion gives other tensors or files than before; the converted weights are then made anew."""


def published(entry: str, part: str, metric: type[Metric]) -> TrainedCheckpoint:
    """The checkpoint of `entry` in the weights registry ("lmm4lmm.perception", ...), for the task `part`, of `metric`.

    Raises `WeightsError` where it cannot be downloaded and `ConversionError` where it is not what it should be.
    """
    from filelock import FileLock

    from ... import weights
    from ...mllm.checkpoint import METRIC, read_checkpoint

    folder = weights.pull(entry)
    digest = "".join(weights.checksums([entry])[entry].values())
    converted = weights.store() / "converted" / f"{entry}-{_short(f'{digest} {CONVERSION}')}"
    converted.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{converted}.lock"):  # of two processes one converts, and the other waits
        if not (converted / METRIC).is_file():
            _fetch_weights(entry, folder)
            logger.info("converting %s into %s, once; it takes some minutes and as much disk again", entry, converted)
            convert(folder, converted, metric=metric, part=part)
    return read_checkpoint(converted, metric=metric)


def _fetch_weights(entry: str, folder: Path) -> None:
    """Download the files that the repository's own index lists, where they are not there."""
    from huggingface_hub.errors import EntryNotFoundError

    from ... import weights
    from ...downloads import DownloadError, UnreachableError
    from ...hub import fetch_from_hub

    source = weights.checkpoint(entry).source

    def fetch(file: str) -> Path:
        if not (folder / file).is_file():
            fetch_from_hub(str(source.repository), source.revision, file, folder, progress=False)
        return folder / file

    def fetch_if_there(file: str) -> bool:
        try:
            fetch(file)
        except DownloadError as error:
            if not isinstance(error.__cause__, EntryNotFoundError) or isinstance(error, UnreachableError):
                raise
            return False
        return True

    try:
        # a model in one file has no index
        if not (folder / WEIGHTS).is_file() and not fetch_if_there(INDEX):
            logger.info("downloading %s of %s", WEIGHTS, entry)
            fetch(WEIGHTS)
        for file in weight_files(folder):
            logger.info("downloading %s of %s", file.name, entry)
            fetch(file.name)
    except DownloadError as error:
        kind = weights.WeightsUnavailableError if isinstance(error, UnreachableError) else weights.WeightsError
        raise kind(
            f"{entry} was not downloaded: {error}. To fetch it by hand, save all files of "
            f"https://huggingface.co/{source.repository} in {folder}"
        ) from error
    except BackboneError as error:
        raise ConversionError(f"{entry}: {error}") from error


def _short(digest: str) -> str:
    import hashlib

    return hashlib.sha256(digest.encode()).hexdigest()[:12]
