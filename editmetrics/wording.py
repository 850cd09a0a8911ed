"""Phrases that messages share: suggestions for misspelt names, shortened lists, counted nouns."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Sequence

LIKENESS = "how little changed, not whether the instruction was followed"
"""The measure of metrics that compare an edited image with its source."""


def did_you_mean(name: str, known: Iterable[str], *, n: int = 3, cutoff: float = 0.6) -> str:
    """A question with the names in `known` that are closest to `name`, with a space before it; "" if none is close.

    Case, and hyphens for underscores, make no difference. `n` and `cutoff` are those of `difflib.get_close_matches`.

    >>> did_you_mean("lpisp", ["lpips", "psnr"]) + did_you_mean("x", ["lpips"])
    " Did you mean 'lpips'?"
    """
    simple = {_simplified(choice): choice for choice in known}
    close = [simple[match] for match in difflib.get_close_matches(_simplified(name), simple, n=n, cutoff=cutoff)]
    return f" Did you mean {either(map(repr, close))}?" if close else ""


def expected_one_of(name: str, known: Iterable[str]) -> str:
    """The end of an error message about the unknown `name`: the known names, and the closest ones.

    >>> expected_one_of("srrc", ["srcc", "plcc"])
    "expected one of srcc, plcc. Did you mean 'srcc'?"
    """
    known = list(known)
    if not known:
        return "none exist"
    question = did_you_mean(name, known)
    return f"expected one of {', '.join(known)}{'.' + question if question else ''}"


def first_few(items: Iterable[object], n: int = 3) -> str:
    """The first `n` items, and how many more there are.

    >>> first_few("abcde"), first_few("ab")
    ('a, b, c and 2 more', 'a, b')
    """
    texts = [str(item) for item in items]
    return ", ".join(texts[:n]) + (f" and {len(texts) - n} more" if len(texts) > n else "")


def in_lines(title: str, problems: Sequence[str], most: int = 20) -> str:
    r"""All problems of a file or folder as one message: one in its line, several in a line each, `most` at the most.

    >>> in_lines("a.csv", ["no rows"]), in_lines("a.csv", ["line 2: no id", "line 7: no id"])
    ('a.csv: no rows', 'a.csv has 2 problems:\n  line 2: no id\n  line 7: no id')
    """
    if len(problems) == 1:
        return f"{title}: {problems[0]}"
    more = [f"and {len(problems) - most} more"] if len(problems) > most else []
    return f"{title} has {len(problems)} problems:" + "".join(f"\n  {line}" for line in [*problems[:most], *more])


def plural(count: int, noun: str, plural: str | None = None) -> str:
    """The count with its noun; `plural` where an "s" does not make it.

    >>> plural(1, "image"), plural(2000, "image"), plural(2, "identity", "identities")
    ('1 image', '2,000 images', '2 identities')
    """
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def command_in_lines(command: str, width: int = 76) -> list[str]:
    """A command in lines that a shell joins, broken before options where it is longer than `width`.

    >>> command_in_lines("editmetrics score a/ b/ -m psnr -m ssim", 36)
    ['editmetrics score a/ b/ -m psnr \\\\', '    -m ssim']
    """
    indent = " " * (len(command) - len(command.lstrip()))
    lines = [""]
    for part in re.split(r" (?=-)", command):
        if lines[-1] and len(lines[-1]) + len(part) + 3 > width:
            lines.append(f"{indent}    {part}")
        else:
            lines[-1] += f" {part}" if lines[-1] else part
    return [f"{line} \\" for line in lines[:-1]] + lines[-1:]


def either(items: Iterable[object]) -> str:
    """The items as alternatives.

    >>> either([".csv", ".jsonl", ".parquet"])
    '.csv, .jsonl or .parquet'
    """
    *before, last = [str(item) for item in items] or [""]
    return f"{', '.join(before)} or {last}" if before else last


def error_in_one_line(error: BaseException) -> str:
    """Return the type and the message of an error, without line breaks.

    >>> error_in_one_line(ValueError("no such\\n  file"))
    'ValueError: no such file'
    """
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def in_words(megabytes: float | None) -> str:
    """A size in a few characters.

    >>> in_words(605), in_words(17500), in_words(0.01), in_words(0.0003), in_words(None)
    ('605 MB', '17.5 GB', '10 kB', '300 bytes', 'unknown')
    """
    if megabytes is None:
        return "unknown"
    if megabytes < 0.001:
        return plural(round(megabytes * 1e6), "byte")
    if megabytes < 1:
        return f"{megabytes * 1000:.0f} kB"
    return f"{megabytes:.0f} MB" if megabytes < 1000 else f"{megabytes / 1000:.3g} GB"


def _simplified(name: str) -> str:
    return name.lower().replace("-", "_")
