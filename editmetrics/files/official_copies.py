"""Files of an official repository that may not be shipped: read from the user's copy of it, by checksum."""

from __future__ import annotations

import ast
import hashlib
import json
import re
from functools import cache
from pathlib import Path

from .text import DataError


def read_official_file(folder: str, file: str, expected: str, wanted: str) -> bytes:
    """Return the bytes of `file` in the user's copy, if their digest is `expected`: a SHA-256, or "git:" and git's own.

    `wanted` names the version in words. Raises `DataError` for a missing file and for another version.
    """
    path = Path(folder).expanduser() / file
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); expected a copy of {wanted}") from error
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()
    if expected not in (hashlib.sha256(data).hexdigest(), f"git:{blob}"):
        raise DataError(f"{path} is not the version that was read; expected {wanted}")
    return data


def official_text(file: str, data: bytes, key: str, expected: str, wanted: str) -> str:
    """Return the text at `key` of a JSON or Python file, or of the Python code in a Markdown file, whose SHA-256 is
    `expected`. Raises `DataError` for none."""
    for text in _texts(Path(file).suffix, data).get(key, ()):
        if hashlib.sha256(text.encode()).hexdigest() == expected:
            return text
    raise DataError(f"{file} has another text for {key!r} than expected; get {wanted}")


def how_to_get(repository: str, commit: str) -> str:
    """Return the command that gets a copy of a repository of GitHub in the folder FOLDER."""
    return f"'git clone https://github.com/{repository} FOLDER && git -C FOLDER checkout {commit}'"


@cache
def _texts(suffix: str, data: bytes) -> dict[str, list[str]]:
    """Return the texts of a JSON object, or those of each variable, function and class of a Python file, not run.

    Of a Markdown file these are those of its Python code.
    """
    if suffix == ".json":
        return {key: [value] for key, value in json.loads(data).items() if isinstance(value, str)}
    sources = re.findall(rb"^```python\n(.*?)^```", data, re.DOTALL | re.MULTILINE) if suffix == ".md" else [data]
    texts: dict[str, list[str]] = {}
    for node in (node for source in sources for node in ast.parse(source).body):
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
