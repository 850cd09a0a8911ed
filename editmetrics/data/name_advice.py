"""Usual mistakes in the names of images: advice on how to correct them. Nothing is matched by it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from ..images import image_name
from ..wording import plural
from .pairing import suggested

LIKE: Mapping[str, Callable[[str], str]] = {
    "but for upper and lower case": str.casefold,
    "but for zeros before a number": lambda name: re.sub(r"\d+", lambda digits: str(int(digits[0])), name),
    "but for a second suffix": image_name,
    "but for blanks, underscores and hyphens": lambda name: re.sub(r"[\s_-]+", "_", name),
    "but for the folders": lambda name: name.rpartition("/")[2],
}
"""Two names that are equal once changed so are likely meant to be one."""

MOST = 20_000
"""Advice is looked for among at most this number of images."""


def name_advice(names: Sequence[str], images: Sequence[str]) -> Iterator[str]:
    """Yield what would match unmatched rows, called `names`, with unmatched images.

    >>> list(name_advice(["007", "008"], ["7", "8"]))
    ["2 images have a row's name but for zeros before a number ('7' for '007'): rename them"]
    >>> list(name_advice(["cat", "dog"], ["cat_edited", "dog_edited"]))
    ["--pair-by '{id}_edited' would match them"]
    >>> list(name_advice(["cat", "dog"], ["0", "1"]))
    ["the images are numbered; names are never matched by their order: save each image under its row's name"]
    """
    if not names or not images or len(images) > MOST:
        return
    for likeness, simple in LIKE.items():
        rows = _alone(names, simple)
        meant = {image: rows[simple(image)] for image in images if simple(image) in rows}
        if meant and len(set(meant.values())) == len(meant):
            image, name = next(iter(meant.items()))
            many = plural(len(meant), "image")
            yield (
                f"{many} {'has' if len(meant) == 1 else 'have'} a row's name {likeness} ({image!r} for {name!r}): "
                f"rename {'it' if len(meant) == 1 else 'them'}"
            )
            return
    pattern = suggested(names, images) if len(images) > 1 else None
    if pattern and "," not in pattern:  # a pattern of the rows' names is no help
        yield f"--pair-by '{pattern}' would match them"
    elif all(image.rpartition("/")[2].isdecimal() for image in images) and not any(map(str.isdecimal, names)):
        yield "the images are numbered; names are never matched by their order: save each image under its row's name"


def _alone(names: Sequence[str], simple: Callable[[str], str]) -> dict[str, str]:
    """Names by what they are once changed, without those that are equal then."""
    by_form: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        by_form.setdefault(simple(name), []).append(name)
    return {form: alike[0] for form, alike in by_form.items() if len(alike) == 1}


def shared_value(
    rows: Sequence[Mapping[str, object]], missing: Sequence[bool], most_values: int = 60
) -> tuple[str, list[str]] | None:
    """The column and its values that exactly the missing rows have; None where no column tells them apart.

    >>> shared_value([{"language": "en"}, {"language": "cn"}, {"language": "cn"}], [False, True, True])
    ('language', ['cn'])
    """
    best: tuple[str, list[str]] | None = None
    for column in dict.fromkeys(name for row in rows for name in row):
        values = [str(row.get(column)) for row in rows]
        inside = dict.fromkeys(value for value, lacks in zip(values, missing, strict=True) if lacks)
        outside = {value for value, lacks in zip(values, missing, strict=True) if not lacks}
        tells = inside and outside and not outside & inside.keys() and 2 * len(inside) <= min(sum(missing), most_values)
        if tells and (best is None or len(inside) < len(best[1])):
            best = column, list(inside)
    return best
