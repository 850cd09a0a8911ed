"""Pairing by pattern, as in `--pair-by '{id}_edited'`: the names of edited images tell which source each belongs to.

A pattern is a name with fields in braces. `{id}` is the name of the source and may hold "/"; `{n}` is a whole number;
any other field, such as `{system}` or `{seed}`, is text without "/". Nothing is paired by order, nothing is guessed: a
name that a pattern reads in two ways, so that two sources could be meant, is listed and not used.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from ..files.text import DataError
from ..images import image_name
from ..sample import FIELDS, Sample
from ..wording import first_few
from .sample_set import HOW_NAMES_MATCH, Listing, Named, examples

MOST_SEARCHED = 20_000
"""A pattern is suggested for at most this number of edited images."""

Fields = dict[str, str]
"""The text of each field of a pattern, in the pattern's order."""

SEPARATORS = "_-. /"
"""Where the part of a name ends that suggestions may leave to the pattern."""

MANY_EDITS = ("{id}_{n}", "{id}-{n}", "{id}/{n}", "{system}/{id}", "{id}/{variant}", "{id}_{variant}", "{id}-{variant}")
"""Patterns that are suggested when no common suffix or prefix pairs all names."""


@dataclass(frozen=True)
class Pattern:
    """A name with fields: `{id}`, and others.

    >>> Pattern.parse("{id}_{n}").readings("big_cat_12")
    [{'id': 'big_cat', 'n': '12'}]
    >>> Pattern.parse("{id}_edited").readings("cat")
    []
    """

    text: str
    parts: tuple[str, ...]
    """Literal texts at even positions, fields at odd ones."""

    @classmethod
    def parse(cls, text: str) -> Pattern:
        """Raises `DataError` for a text without `{id}`, and for a field whose name is not one."""
        name = image_name(text)
        parts = tuple(re.split(r"\{([^{}]*)\}", name))
        fields = parts[1::2]
        if "id" not in fields or any(re.search("[{}]", literal) for literal in parts[::2]):
            raise DataError(f"--pair-by {text!r}: expected a pattern with {{id}}, such as '{{id}}_edited'")
        for field in fields:
            if not field.isidentifier() or field in FIELDS:
                raise DataError(
                    f"--pair-by {text!r}: {{{field}}} cannot be a field; expected {{id}}, {{n}} (a number), "
                    "{system}, or a word of your own, which becomes a column"
                )
        return cls(name, parts)

    @property
    def fields(self) -> list[str]:
        """The names of its fields, in order."""
        return list(dict.fromkeys(self.parts[1::2]))

    def readings(self, name: str) -> list[Fields]:
        """Every way to read `name` by this pattern."""
        return list(self._read(name, 0, {}))

    def _read(self, rest: str, position: int, fields: Fields) -> Iterator[Fields]:
        literal = self.parts[position]
        if not rest.startswith(literal):
            return
        rest = rest[len(literal) :]
        if position == len(self.parts) - 1:
            if not rest:
                yield fields
            return
        field = self.parts[position + 1]
        if field in fields:
            if rest.startswith(fields[field]):
                yield from self._read(rest[len(fields[field]) :], position + 2, fields)
            return
        before = literal if literal or not fields else fields[self.parts[position - 1]]
        for end in range(1, len(rest) + 1):
            if field != "id" and rest[end - 1] == "/":
                return
            if field == "n" and not rest[end - 1].isdecimal():
                return
            if field == "n" and (rest[end : end + 1].isdecimal() or before[-1:].isdecimal()):
                continue  # a number is read whole
            yield from self._read(rest[end:], position + 2, {**fields, field: rest[:end]})


@dataclass(frozen=True)
class PairBy:
    """The patterns of a source's name and of its edits' names.

    >>> PairBy.parse("{id}_src,{id}_edit").source.text
    '{id}_src'
    """

    source: Pattern
    edited: Pattern

    @classmethod
    def parse(cls, text: str) -> PairBy:
        """One pattern is that of the edits; two, with a comma between, are the source's and the edits'."""
        halves = [(text[: comma.start()], text[comma.end() :]) for comma in re.finditer(",", text)]
        source, edited = next((pair for pair in halves if all("{id}" in half for half in pair)), ("{id}", text))
        patterns = cls(Pattern.parse(source.strip()), Pattern.parse(edited.strip()))
        if others := [field for field in patterns.source.fields if field != "id"]:
            raise DataError(f"--pair-by {text!r}: the pattern of a source has no field but {{id}}, not {{{others[0]}}}")
        return patterns

    def __str__(self) -> str:
        return self.edited.text if self.source.text == "{id}" else f"{self.source.text},{self.edited.text}"


@dataclass(frozen=True)
class Matches:
    """Names matched by patterns.

    - `sources`: from id to the name of the source image.
    - `readings`: from the name of an edited image to its readings with a source.
    - `foreign`: names that fit neither pattern.
    """

    sources: dict[str, str]
    readings: dict[str, list[Fields]]
    foreign: list[str]

    @property
    def complete(self) -> bool:
        """Whether each edited image has one reading, and no other has its sample's name."""
        labels = [_label(fields[0]) for fields in self.readings.values() if len(fields) == 1]
        return bool(self.readings) and not self.foreign and len(set(labels)) == len(self.readings)


def matches(pair_by: PairBy, sources: Collection[str], edits: Collection[str], one_folder: bool) -> Matches:
    """Match the names of sources with those of edits; in one folder, an edited image is never a source, too."""
    ids = {fields["id"]: name for name in sources for fields in pair_by.source.readings(name)}
    readings: dict[str, list[Fields]] = {}
    foreign = []
    for name in edits:
        ways = pair_by.edited.readings(name)
        with_source = [fields for fields in ways if ids.get(fields["id"], name) != name]
        if with_source or (ways and not one_folder):
            readings[name] = with_source
        elif not (one_folder and pair_by.source.readings(name)):
            if ways:
                readings[name] = []
            else:
                foreign.append(name)
    if one_folder:
        ids = {id_: name for id_, name in ids.items() if not readings.get(name)}
        readings = {name: [way for way in ways if way["id"] in ids] for name, ways in readings.items()}
        used = {way["id"] for ways in readings.values() for way in ways}
        lonely = {name for id_, name in ids.items() if id_ not in used and pair_by.edited.readings(name)}
        readings |= {name: [] for name in lonely}  # edits whose source is missing
        ids = {id_: name for id_, name in ids.items() if name not in lonely}
    return Matches(ids, readings, foreign)


def pairs_by_pattern(
    pair_by: PairBy, sources: Listing, edits: Listing, system: str | None, unmatched: dict[str, list[str]]
) -> list[Named]:
    """A sample for each edited image whose name tells one source; adds to `unmatched` what tells none, or several.

    `sources` and `edits` may be one listing, that of a folder which holds both. Raises `DataError` when nothing pairs.
    """
    if system is not None and "system" in pair_by.edited.fields:
        raise DataError(f"--pair-by {str(pair_by)!r} reads systems from names; expected one edited folder, not several")
    matched = matches(pair_by, sources.images, edits.images, sources is edits)
    by_label: dict[str, list[Named]] = defaultdict(list)
    for name, ways in matched.readings.items():
        if not ways:
            unmatched.setdefault("edited", []).append(_prefixed(system, name))
        elif len(ways) > 1:
            texts = (", ".join(f"{field} {text}" for field, text in fields.items()) for fields in ways)
            unmatched["ambiguous"].append(f"{_prefixed(system, name)} (read as {' or as '.join(texts)})")
        else:
            fields = ways[0] if system is None else {"system": system, **ways[0]}
            source, edited = sources.images[matched.sources[fields["id"]]], edits.images[name]
            if len(source) == len(edited) == 1:
                meta = {field: text for field, text in fields.items() if field != "id"}
                sample = Sample(_label(fields), edited=edited[0], source=source[0], meta=meta)
                names = (sample.id, _prefixed(system, name), name, _label({**fields, "system": ""}), fields["id"])
                by_label[sample.id].append(Named(sample, tuple(dict.fromkeys(names))))
    for label, named in by_label.items():
        if len(named) > 1:
            unmatched["ambiguous"].append(f"{label} ({', '.join(str(one.sample.edited) for one in named)})")
    unmatched.setdefault("foreign", []).extend(_prefixed(system, name) for name in matched.foreign)
    _note_sources(matched, system, unmatched, sources, edits)
    pairs = [named[0] for _, named in sorted(by_label.items()) if len(named) == 1]
    if not pairs:
        raise DataError(_nothing_paired(pair_by, sources, edits, unmatched["ambiguous"]))
    return pairs


def _note_sources(
    matched: Matches, system: str | None, unmatched: dict[str, list[str]], sources: Listing, edits: Listing
) -> None:
    """Add the sources without an edited image, of each system where names tell it."""
    edited_by: dict[str | None, set[str]] = defaultdict(set)
    for fields in (fields for ways in matched.readings.values() for fields in ways):
        edited_by[fields.get("system", system)].add(fields["id"])
    for one, ids in sorted(edited_by.items(), key=str):
        lacking = [id_ for id_ in matched.sources if id_ not in ids and len(sources.images[matched.sources[id_]]) == 1]
        unmatched.setdefault("sources", []).extend(_prefixed(one, id_) + edits.why_none(id_) for id_ in lacking)


def _label(fields: Mapping[str, str]) -> str:
    """The id of a sample: `id`, or `system/id`, with the other fields behind it."""
    others = [text for field, text in fields.items() if field not in ("id", "system")]
    return _prefixed(fields.get("system"), "_".join([fields["id"], *others]))


def _prefixed(system: str | None, name: str) -> str:
    return f"{system}/{name}" if system else name


def _nothing_paired(pair_by: PairBy, sources: Listing, edits: Listing, ambiguous: list[str]) -> str:
    where = f"in {edits.folder}" if sources is edits else f"in {sources.folder} and {edits.folder}"
    message = f"no image is paired by --pair-by '{pair_by}' {where}: {sources.folder} has {examples(sources.images)}"
    if sources is not edits:
        message += f", {edits.folder} has {examples(edits.images)}"
    if ambiguous:
        message += f"; names with more than one meaning are not used: {first_few(ambiguous)}"
    return message + advice(sources, edits, unlike=str(pair_by))


def advice(sources: Listing, edits: Listing, unlike: str = "{id}") -> str:
    """The end of a message that nothing was paired: the pattern that pairs all names, or how names match."""
    pattern = suggested(list(sources.images), list(edits.images), sources is edits)
    if pattern is None or pattern == unlike:
        return "" if unlike != "{id}" else f"; {HOW_NAMES_MATCH}, or by --pair-by, such as --pair-by '{{id}}_edited'"
    return f". --pair-by '{pattern}' would pair all of them"


def suggested(sources: Collection[str], edits: Collection[str], one_folder: bool = False) -> str | None:
    """The first pattern that pairs every edited image with one source, of those that are common; None if none does.

    In one folder, it pairs every image.

    >>> suggested(["cat", "dog"], ["cat_edited", "dog_edited"])
    '{id}_edited'
    >>> suggested(["cat_src", "dog_src"], ["cat_out", "dog_out"])
    '{id}_src,{id}_out'
    >>> suggested(["cat", "dog"], ["cat_1", "cat_2", "dog_1"])
    '{id}_{n}'
    """
    if len(edits) > MOST_SEARCHED:
        return None
    first = list(edits)[:20]
    for text in [*_with_common_ends(sources, edits), *MANY_EDITS]:
        pair_by = PairBy.parse(text)
        if not one_folder and not all(map(pair_by.edited.readings, first)):
            continue
        matched = matches(pair_by, sources, edits, one_folder)
        used = {way["id"] for ways in matched.readings.values() for way in ways}
        if matched.complete and (not one_folder or used == matched.sources.keys()):
            return text
    return None


def _with_common_ends(sources: Collection[str], edits: Collection[str]) -> Iterator[str]:
    """Patterns with the endings or beginnings that names share: `{id}_edited`, `{id}_src,{id}_edit`, `edited_{id}`."""
    if any(character in name for name in [*sources, *edits] for character in "{},"):
        return
    for backwards in (False, True):
        own, theirs = (sorted(_ends(names, backwards), key=len) for names in (sources, edits))
        for start in own:
            for end in theirs:
                if start != end:
                    source, edited = (f"{text}{{id}}" if backwards else f"{{id}}{text}" for text in (start, end))
                    yield edited if not start else f"{source},{edited}"


def _ends(names: Iterable[str], beginnings: bool) -> set[str]:
    """Endings (or beginnings) of a name from (or to) a separator, of two in five names at least, and ""."""
    counted: dict[str, int] = defaultdict(int)
    names = list(names)
    for name in names:
        for index in (index for index, character in enumerate(name) if character in SEPARATORS):
            counted[name[: index + 1] if beginnings else name[index:]] += 1
    return {"", *(end for end, count in counted.items() if count >= max(1, 0.4 * len(names)))}
