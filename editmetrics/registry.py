"""From a name to a metric: the built-in table, entry points of other packages, bridges, and `name:option=value`.

A built-in metric is a line in `builtin.BUILTIN`; a third party's is an entry point in the group `editmetrics.metrics`;
a name with a library before a slash is that library's own, by one of `BRIDGES`. All are strings until somebody asks,
and all come out of the same functions.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from .builtin import BUILTIN as BUILTIN
from .builtin import CONFORMANCE as CONFORMANCE
from .builtin import CONVENTIONS as CONVENTIONS
from .metric import Metric
from .options import OptionError, checked_options
from .sample import FIELDS, EditMetricsError
from .wording import did_you_mean

if TYPE_CHECKING:
    from .plugins.bridges.bridge import Bridge

GROUP = "editmetrics.metrics"

BRIDGES = {
    "piq": "editmetrics.plugins.bridges.piq:BRIDGE",
    "pyiqa": "editmetrics.plugins.bridges.pyiqa:BRIDGE",
    "torchmetrics": "editmetrics.plugins.bridges.torchmetrics:BRIDGE",
}
"""Libraries whose metrics are offered under LIBRARY/NAME where they are installed."""


RESERVED_COLUMNS = frozenset({"id", "system", "group", "problems", "manifest", "meta", *FIELDS})
"""Names in a table of scores that no alias may take."""

SPEC_FORM = "a metric is written name:option=value,option=value"


class UnknownMetricError(EditMetricsError, LookupError):
    """No metric has this name."""


class MissingPackageError(EditMetricsError, ImportError):
    """A metric needs a package that is not installed."""


class BrokenPluginError(EditMetricsError):
    """A third party's metric is registered and cannot be used."""


@dataclass(frozen=True)
class BrokenPlugin:
    """A third party's entry point that gives no usable metric: its name, its package, and what is wrong with it."""

    name: str
    package: str
    reason: str


def create_metric(spec: str, *, device: str | None = None, **options: Any) -> Metric:
    """The metric that `spec` names, ready to be called; weights are read at the first call.

    `spec` is a name, with options or without: "psnr", "lpips:net=vgg", "psnr:channels=y,crop_border=4". Options can
    be given as keywords instead. `device` is where it computes; without it, the first GPU if there is one.

    "judge=vie_score:model=any" gives it an alias, which is its label: columns are named `judge`, and the identity is
    that of the full text.

    Raises `UnknownMetricError` with the nearest names, `OptionError` with the options there are, `MissingPackageError`
    with the line that installs it.

    >>> create_metric("psnr:crop_border=4").options["crop_border"]
    4
    """
    if not isinstance(spec, str):
        raise TypeError(
            f"create_metric takes one name, such as 'psnr' or 'lpips:net=vgg', not a {type(spec).__name__}; "
            "for several metrics call it once for each, or give the list to score(..., metrics=[...])"
        )
    alias, spec = split_alias(spec)
    name, from_spec = parse_spec(spec)
    cls = metric_class(name)
    if twice := from_spec.keys() & options.keys():
        raise OptionError(f"{spec}: option {', '.join(sorted(twice))} is given both in the name and as a keyword")
    if missing := [package for package in cls.requires if not _installed(package)]:
        packages = f"the package {missing[0]}" if len(missing) == 1 else f"the packages {' and '.join(missing)}"
        not_here = f"which {'is' if len(missing) == 1 else 'are'} not installed"
        raise MissingPackageError(f"{name} needs {packages}, {not_here}: pip install {' '.join(missing)}")
    try:
        metric = cls(**checked_options(cls, {**from_spec, **options})).to(device)
    except OSError as error:  # an option that names a file may be no name of one
        raise OptionError(f"{name} cannot be created with these options: {error}") from error
    metric.alias = alias
    return metric


def list_metrics() -> list[str]:
    """The names of all usable metrics, built-in and third-party, sorted. Those of bridges are in `bridge(NAME).offers`.

    >>> "psnr" in list_metrics()
    True
    """
    plugins = _entry_points().keys()
    broken = {name for name in plugins if isinstance(_load_plugin(name), BrokenPlugin)}
    return sorted((BUILTIN.keys() | plugins) - broken)


def metric_class(name: str) -> type[Metric]:
    """The class of the metric `name`. Imports its module and nothing heavier, but for the library of a bridge."""
    points = _entry_points() if name not in BUILTIN or name in _all_entry_points() else {}
    if name in BUILTIN and name not in points:
        return _load_builtin(name)
    if name in points:
        plugin = _load_plugin(name)
        if isinstance(plugin, BrokenPlugin):
            raise BrokenPluginError(
                f"the metric {name} of the package {plugin.package} cannot be used: {plugin.reason}"
            )
        return plugin
    library, slash, inner = name.partition("/")
    if slash and library in BRIDGES:
        return _bridged(library, inner)
    raise unknown_metric(name)


def known_names() -> list[str]:
    """The names of all metrics, broken ones among them, sorted; imports none of them."""
    return sorted(BUILTIN.keys() | _entry_points().keys())


def unknown_metric(name: str, problem: str = "") -> UnknownMetricError:
    """The error about `name`, which no metric has: `problem` in words, and what to write instead.

    >>> print(unknown_metric("sssim"))
    no metric is named 'sssim'. Did you mean 'ssim', 'ms_ssim' or 'fsim'? 'editmetrics list' shows all metrics.
    """
    from .unknown_names import advice

    bridges = {library: bridge(library).installed for library in BRIDGES}
    problem = problem or f"no metric is named {name!r}."
    return UnknownMetricError(f"{problem} {advice(name, known_names(), bridges)}")


def bridge(library: str) -> Bridge:
    """The bridge to `library`, one of `BRIDGES`, whether that is installed or not. Imports nothing of it.

    >>> bridge("piq").package
    'piq'
    """
    module, _, attribute = BRIDGES[library].partition(":")
    loaded: Bridge = getattr(importlib.import_module(module), attribute)
    return loaded


def usable_bridge(library: str, name: str = "") -> Bridge:
    """The bridge to an installed library, which has said what it offers: that may import the library.

    Raises `UnknownMetricError` where there is no such bridge, `MissingPackageError` with the pip line, and
    `BrokenPluginError` where the library is installed and cannot be used.
    """
    if library not in BRIDGES:
        raise UnknownMetricError(f"no bridge to {library!r}; bridges exist to {', '.join(BRIDGES)}")
    loaded = bridge(library)
    if loaded.version is None:
        wanted = f"{library}/{name}" if name else f"the bridge to {library}"
        raise MissingPackageError(
            f"{wanted} needs the package {loaded.package}, which is not installed: pip install {loaded.package}"
        )
    try:
        _ = loaded.offers, loaded.not_offered
    except Exception as error:
        raise BrokenPluginError(
            f"{loaded.package} {loaded.version} is installed and cannot be used: {type(error).__name__}: {error}"
        ) from error
    return loaded


def broken_plugins() -> list[BrokenPlugin]:
    """Third-party metrics that failed to load, with the reason."""
    loaded = [_load_plugin(name) for name in plugin_names()]
    return refused_plugins() + [plugin for plugin in loaded if isinstance(plugin, BrokenPlugin)]


def plugin_names() -> list[str]:
    """The names of third-party metrics that are in use, broken ones among them; imports none of them."""
    return sorted(_entry_points())


def refused_plugins() -> list[BrokenPlugin]:
    """Third-party metrics that have a built-in's name without permission; imports none of them."""
    return [
        BrokenPlugin(
            name,
            _package_of(points),
            "its name is that of a built-in metric; a plugin may not replace one unless you say so: "
            f"'editmetrics plugin allow {name} {points[0].dist.name if points[0].dist else 'PACKAGE'}'",
        )
        for name, points in _all_entry_points().items()
        if name in BUILTIN and name not in _entry_points()
    ]


def providers_of(name: str) -> dict[str, str]:
    """The installed packages that register a metric `name`, whether it may be used or not, and their versions."""
    return {point.dist.name: point.dist.version for point in _all_entry_points().get(name, ()) if point.dist}


def split_alias(spec: str) -> tuple[str | None, str]:
    """The alias of "alias=name:option=value", and the rest; None where a metric has none.

    Raises `OptionError` for an alias that cannot name a column, or that is the name of a metric.

    >>> split_alias("judge=vie_score:model=any"), split_alias("lpips:net=vgg")
    (('judge', 'vie_score:model=any'), (None, 'lpips:net=vgg'))
    """
    head, colon, options = spec.partition(":")
    alias, equals, name = (part.strip() for part in head.partition("="))
    if not equals:
        return None, spec
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", alias):
        raise OptionError(f"{spec!r}: the alias {alias!r} cannot name a column; expected letters, digits, _ and -")
    if alias in known_names() or alias in RESERVED_COLUMNS:
        raise OptionError(f"{spec!r}: {alias!r} is the name of a metric or of another column; choose another alias")
    return alias, f"{name}{colon}{options}"


def parse_spec(spec: str) -> tuple[str, dict[str, str]]:
    """The name and options of "name:option=value,option=value"; a value with a comma in it stands in double quotes.

    >>> parse_spec("psnr:channels=y,crop_border=4")
    ('psnr', {'channels': 'y', 'crop_border': '4'})
    >>> parse_spec('clip_score:template="A photo, {prompt}"')
    ('clip_score', {'template': 'A photo, {prompt}'})
    """
    name, _, text = spec.strip().partition(":")
    options: dict[str, str] = {}
    for part in re.findall(r'((?:"(?:[^"\\]|\\.)*"|[^,])*),', text + ",") if text else []:
        key, equals, value = (piece.strip() for piece in part.partition("="))
        if value.startswith('"'):
            value = _unquoted(value)
        elif not value:
            equals = ""
        if not (key and equals) or '"' in key:
            another = part.strip().partition(":")[0] in BUILTIN
            advice = f"write -m {part.strip()} for another metric" if another else SPEC_FORM
            raise OptionError(f"{spec!r}: {part!r} is not option=value; {advice}")
        if key in options:
            raise OptionError(f"{spec!r}: option {key} is given twice")
        options[key] = value
    if not name:
        raise UnknownMetricError(f"{spec!r} names no metric; {SPEC_FORM}")
    return name, options


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text))
    except ValueError as error:
        raise OptionError(
            f"{text} is not a text in double quotes; a quote or backslash inside it has a \\ before it"
        ) from error


def _load_builtin(name: str) -> type[Metric]:
    module, _, attribute = BUILTIN[name].partition(":")
    cls: type[Metric] = getattr(importlib.import_module(module), attribute)
    return cls


def points_by_name(group: str) -> dict[str, list[importlib.metadata.EntryPoint]]:
    """Return what installed packages register in a group of entry points, by name; imports none of it."""
    points: dict[str, list[importlib.metadata.EntryPoint]] = {}
    for point in importlib.metadata.entry_points(group=group):
        points.setdefault(point.name, []).append(point)
    return points


@cache
def _all_entry_points() -> dict[str, list[importlib.metadata.EntryPoint]]:
    return points_by_name(GROUP)


def _entry_points() -> dict[str, list[importlib.metadata.EntryPoint]]:
    """Those in use: all but those with a built-in's name, unless their package was allowed to take it."""
    used = {name: points for name, points in _all_entry_points().items() if name not in BUILTIN}
    if taken := BUILTIN.keys() & _all_entry_points().keys():
        from .allowed import allowed

        permitted = allowed()
        for name in taken:
            own = [p for p in _all_entry_points()[name] if p.dist and p.dist.name == permitted.get(name)]
            used |= {name: own} if own else {}
    return used


def _bridged(library: str, name: str) -> type[Metric]:
    loaded = usable_bridge(library, name)
    if name in loaded.offers:
        return loaded.metric_class(name)
    if name in loaded.not_offered:
        raise UnknownMetricError(f"{library}/{name} is not offered: {loaded.not_offered[name]}")
    advice = did_you_mean(f"{library}/{name}", [f"{library}/{known}" for known in loaded.offers], cutoff=0.7)
    raise UnknownMetricError(
        f"{loaded.package} {loaded.version} has no metric {name!r}.{advice} 'editmetrics list {library}' shows all."
    )


@cache
def _load_plugin(name: str) -> type[Metric] | BrokenPlugin:
    points = _entry_points()[name]
    package = _package_of(points)
    packages = Counter(point.dist.name if point.dist else "?" for point in points)
    if len(packages) > 1:
        return BrokenPlugin(
            name, package, f"the packages {', '.join(packages)} all register this name; uninstall all but one"
        )
    try:
        cls = points[0].load()
    except (Exception, SystemExit) as error:  # a module that exits must not take the program with it
        return BrokenPlugin(name, package, f"{points[0].value} cannot be imported: {type(error).__name__}: {error}")
    if not (isinstance(cls, type) and issubclass(cls, Metric)):
        return BrokenPlugin(name, package, f"{points[0].value} is not a subclass of editmetrics.Metric")
    if missing := [key for key in ("name", "version", "dimensions") if not hasattr(cls, key)]:
        return BrokenPlugin(name, package, f"{points[0].value} declares no {', '.join(missing)}")
    if cls.name != name:
        return BrokenPlugin(
            name, package, f"the entry point is named {name}, but the class {cls.name}; they must be equal"
        )
    if sum(dimension.primary for dimension in cls.dimensions) != 1:
        return BrokenPlugin(name, package, f"{points[0].value} must declare exactly one primary dimension")
    return cls


def _package_of(points: list[importlib.metadata.EntryPoint]) -> str:
    dist = points[0].dist
    return f"{dist.name} {dist.version}" if dist else "?"


def _installed(package: str) -> bool:
    try:
        importlib.metadata.distribution(package)
    except importlib.metadata.PackageNotFoundError:
        return importlib.util.find_spec(package.replace("-", "_")) is not None
    return True
