"""Questions and data of suites that cannot be shipped: read from the user's copy of the official repository."""

from __future__ import annotations

from ..files.official_copies import how_to_get, official_text, read_official_file
from ..files.text import DataError
from .definition import PromptText, Suite, SuiteError


def text_of(suite: Suite, prompt: PromptText, repository: str | None) -> str:
    """Return the text of a question: the shipped one, or that of the user's copy of the repository.

    Raises `SuiteError` where the copy is missing, or is not the version that was read: the message names the commit.
    """
    if prompt.text is not None:
        return prompt.text
    data = file_of(suite, prompt.file, repository)
    try:
        return official_text(prompt.file, data, prompt.key, prompt.sha256, _wanted(suite))
    except DataError as error:
        raise SuiteError(str(error)) from error


def file_of(suite: Suite, file: str, repository: str | None) -> bytes:
    """Return a file of the user's copy of a suite's official repository. Raises `SuiteError` as `text_of` does."""
    source = suite.source
    if repository is None:
        raise SuiteError(
            f"the suite {suite.name}: its questions are not shipped; their licence is {source.prompt_licence}. Get "
            f"them with {how_to_get(source.repository, source.commit)}, and name the folder: "
            f"--suite {suite.name}:repository=FOLDER"
        )
    try:
        return read_official_file(repository, file, source.files[file], _wanted(suite))
    except DataError as error:
        raise SuiteError(f"the suite {suite.name}: {error}") from error


def _wanted(suite: Suite) -> str:
    return f"https://github.com/{suite.source.repository} at commit {suite.source.commit}"
