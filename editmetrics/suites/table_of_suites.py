"""From a name to a suite: the built-in ones, and those that other packages register; imported on access."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING

from ..lazy_table import LazyTable
from ..registry import parse_spec, points_by_name
from ..wording import expected_one_of
from .definition import Suite, SuiteError, UnknownSuiteError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "editmetrics.suites"

BUILTIN: LazyTable[Suite] = LazyTable(
    {
        "pie-bench": "editmetrics.suites.pie_bench",
        "magicbrush": "editmetrics.suites.magicbrush",
        "emu-edit": "editmetrics.suites.emu_edit",
        "gedit": "editmetrics.suites.gedit",
        "imgedit": "editmetrics.suites.imgedit",
        "imgedit-hard": "editmetrics.suites.imgedit_hard",
        "kris": "editmetrics.suites.kris",
        "rise": "editmetrics.suites.rise",
        "imagen-hub": "editmetrics.suites.imagen_hub",
        "genai-bench": "editmetrics.suites.genai_bench",
        "omnicontext": "editmetrics.suites.omnicontext",
        "wise": "editmetrics.suites.wise",
        "wise-legacy": "editmetrics.suites.wise_legacy",
        "geneval2": "editmetrics.suites.geneval2",
        "longtext": "editmetrics.suites.longtext",
        "oneig": "editmetrics.suites.oneig",
        "dpg": "editmetrics.suites.dpg",
        "unigenbench": "editmetrics.suites.unigenbench",
    },
    "SUITE",
)


class SuiteTable(Mapping[str, Suite]):
    """All suites by name: built-in ones first, then those of installed packages, of which access imports one.

    A package cannot take the name of a built-in suite. Names, length and membership import nothing.
    """

    def __getitem__(self, name: str) -> Suite:
        return BUILTIN[name] if name in BUILTIN else _registered(name)

    def __contains__(self, name: object) -> bool:
        return name in BUILTIN or name in _entry_points()

    def __iter__(self) -> Iterator[str]:
        return iter([*BUILTIN, *(name for name in sorted(_entry_points()) if name not in BUILTIN)])

    def __len__(self) -> int:
        return len(list(iter(self)))


SUITES = SuiteTable()


def suite(name: str) -> Suite:
    """Return the suite called `name`. Raises `UnknownSuiteError` with the closest names for another.

    >>> suite("magicbrush").specs[0]
    'mae:against=reference,resize=edited'
    """
    if name not in SUITES:
        raise UnknownSuiteError(f"no suite is named {name!r}; {expected_one_of(name, SUITES)}")
    return SUITES[name]


def suite_of_spec(spec: str) -> Suite:
    """Return the suite of a spec such as "gedit:judged_by=Q", or its variant: "emu-edit:variant=icedit".

    The options of a suite with judges are `suite_metric`'s. Raises `SuiteError` for options that a suite without judges
    does not have.

    >>> suite_of_spec("emu-edit:variant=icedit").name
    'emu-edit:variant=icedit'
    """
    name, options = parse_spec(spec)
    chosen = suite(name)
    if chosen.judges or not options:
        return chosen
    variant = options.get("variant")
    if [*options] != ["variant"] or variant not in chosen.variants:
        expected = f"variant, one of {', '.join(chosen.variants)}" if chosen.variants else "none: it asks no judge"
        raise SuiteError(
            f"{spec!r}: the options of the suite {name} are {expected}; its metrics are in 'editmetrics suite {name}'"
        )
    return chosen.variants[str(variant)]


def broken_suites() -> dict[str, str]:
    """Return the suites of other packages that cannot be used, and why."""
    reasons: dict[str, str] = {}
    for name, points in _entry_points().items():
        if name in BUILTIN:
            reasons[name] = f"{points[0].value}: its name is that of a built-in suite; another name is needed"
            continue
        try:
            _registered(name)
        except SuiteError as error:
            reasons[name] = str(error)
    return reasons


@cache
def _entry_points() -> dict[str, list[EntryPoint]]:
    return points_by_name(GROUP)


@cache
def _registered(name: str) -> Suite:
    """Return the suite of another package; raise `SuiteError` where it is none."""
    points = _entry_points().get(name, [])
    if not points:
        raise KeyError(name)
    packages = sorted({point.dist.name if point.dist else "?" for point in points})
    if len(packages) > 1:
        raise SuiteError(f"the packages {', '.join(packages)} all register the suite {name}; uninstall all but one")
    try:
        loaded = points[0].load()
    except (Exception, SystemExit) as error:  # a module that exits must not take the program with it
        raise SuiteError(
            f"the suite {name}: {points[0].value} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    if not isinstance(loaded, Suite) or loaded.name != name:
        raise SuiteError(f"{points[0].value} of {packages[0]} is not a Suite with the name {name}")
    return loaded
