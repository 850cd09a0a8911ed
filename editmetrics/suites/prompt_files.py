"""Questions and data that cannot be shipped: read from the user's copy of the official repository, by checksum."""

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
    for text in _texts(Path(prompt.file).suffix, file_of(suite, prompt.file, repository)).get(prompt.key, ()):
        if hashlib.sha256(text.encode()).hexdigest() == prompt.sha256:
            return text
    raise SuiteError(f"{prompt.file} has another text for {prompt.key!r} than expected; get {_wanted(suite)}")


def file_of(suite: Suite, file: str, repository: str | None) -> bytes:
    """Return a file of the user's copy of a suite's official repository. Raises `SuiteError` as `text_of` does."""
    source = suite.source
    if repository is None:
        raise SuiteError(
            f"the suite {suite.name}: its questions are not shipped; their licence is {source.prompt_licence}. Get "
            f"them with 'git clone https://github.com/{source.repository} FOLDER && git -C FOLDER checkout "
            f"{source.commit}', and name the folder: --suite {suite.name}:repository=FOLDER"
        )
    path = Path(repository).expanduser() / file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SuiteError(f"{path} cannot be read ({error.strerror}); expected a copy of {_wanted(suite)}") from error
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    if source.files[file] not in (hashlib.sha256(data).hexdigest(), f"git:{blob}"):
        raise SuiteError(
            f"{path} is not the version that the suite {suite.name} was made from; expected {_wanted(suite)}"
        )
    return data


def _wanted(suite: Suite) -> str:
    return f"https://github.com/{suite.source.repository} at commit {suite.source.commit}"


@cache
def _texts(suffix: str, data: bytes) -> dict[str, list[str]]:
    """Return the texts of a JSON object, or those of each variable, function and class of a Python file, not run."""
    if suffix == ".json":
        return {key: [value] for key, value in json.loads(data).items() if isinstance(value, str)}
    texts: dict[str, list[str]] = {}
    for node in ast.parse(data).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            texts[node.targets[0].id] = _strings(node.value)  # the last assignment counts
        elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            texts[node.name] = [text for inner in ast.walk(node) for text in _strings(inner)]
    return texts


def _strings(node: ast.AST) -> list[str]:
    """Return the text of a string, or of an f-string with the names of what it is filled in with, in a list."""
    if isinstance(node, ast.Constant):
        return [node.value] if isinstance(node.value, str) else []
    if not isinstance(node, ast.JoinedStr):
        return []
    parts = [
        f"{{{ast.unparse(part.value)}}}" if isinstance(part, ast.FormattedValue) else str(getattr(part, "value", ""))
        for part in node.values
    ]
    return ["".join(parts)]
