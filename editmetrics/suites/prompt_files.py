"""Texts of questions that cannot be shipped: read from the user's copy of the official repository, by checksum."""

from __future__ import annotations

import ast
import hashlib
import json
from functools import cache
from pathlib import Path

from .definition import PromptText, Suite, SuiteError


def text_of(suite: Suite, prompt: PromptText, repository: str | None) -> str:
    """Return the text of a question: the shipped one, or that of the user's copy of the repository.

    Raises `SuiteError` where the copy is missing, or is not the version that was read: the message names the commit.
    """
    if prompt.text is not None:
        return prompt.text
    source = suite.source
    wanted = f"https://github.com/{source.repository} at commit {source.commit}"
    if repository is None:
        raise SuiteError(
            f"the suite {suite.name}: its questions come without a licence and are not shipped. Get them with "
            f"'git clone https://github.com/{source.repository} FOLDER && git -C FOLDER checkout {source.commit}', "
            f"and name the folder: --suite {suite.name}:repository=FOLDER"
        )
    path = Path(repository).expanduser() / prompt.file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SuiteError(f"{path} cannot be read ({error.strerror}); expected a copy of {wanted}") from error
    if hashlib.sha256(data).hexdigest() != source.files[prompt.file]:
        raise SuiteError(f"{path} is not the version that the suite {suite.name} was made from; expected {wanted}")
    text = _texts(path.suffix, data).get(prompt.key)
    if text is None or hashlib.sha256(text.encode()).hexdigest() != prompt.sha256:
        raise SuiteError(f"{path} has another text for {prompt.key!r} than expected; get {wanted}")
    return text


@cache
def _texts(suffix: str, data: bytes) -> dict[str, str]:
    """Return the texts of a JSON object, or the variables of a Python file that hold text; nothing is run."""
    if suffix == ".json":
        return {key: value for key, value in json.loads(data).items() if isinstance(value, str)}
    texts: dict[str, str] = {}
    for node in ast.parse(data).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = node.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                texts[node.targets[0].id] = value.value
    return texts
