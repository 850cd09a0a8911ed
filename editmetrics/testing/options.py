"""Checks of options: written as text and read back, and told apart by the identity of a number."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..metric import Metric
from ..mllm.model_folders import folder_digest
from ..options import checked_options
from ..registry import UnknownMetricError, create_metric, metric_class, parse_spec
from ..sample import EditMetricsError
from ..scoring.results import Column
from .declarations import importable, in_another_process
from .subject import NotApplicable, Subject

_IDENTITY = """
import contextlib, importlib, json, sys
module, qualname, path, options, device, substitutes = json.loads(sys.argv[1])
sys.path[:] = path
from editmetrics import weights
inside = contextlib.ExitStack()
for name, folder in substitutes.items():
    inside.enter_context(weights.substitute(name, folder))
cls = importlib.import_module(module)
for part in qualname.split("."):
    cls = getattr(cls, part)
print(json.dumps(cls(**options).to(device).identity(), sort_keys=True))
"""


def options(subject: Subject) -> Iterator[str]:
    """The label of a metric, read back, gives the same options: for the defaults, every choice and other numbers."""
    for changed in ({}, *subject.variants()):
        metric = subject.cls(**{**subject.options, **changed})
        label = metric.label
        try:
            again = _from_label(metric)
        except EditMetricsError as error:
            yield f"its label {label!r} cannot be read back: {error}"
            continue
        if again.number_options != metric.number_options:
            yield f"its label {label!r} gives the options {again.number_options}; expected {metric.number_options}"


def identity(subject: Subject) -> Iterator[str]:
    """The identity is JSON, equal for equal options in any process, and differs with each option and with the weights;
    `checkpoints()` names every weights file that is read."""
    identity = subject.make().identity()
    try:
        text = json.dumps(identity, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield (
            f"identity() is not JSON: {error}; "
            "it must hold only strings, finite numbers, booleans, None, lists and dictionaries"
        )
        return
    cls = subject.cls
    options = subject.make().number_options
    for key, value in {"metric": cls.name, "version": cls.version, "options": options}.items():
        if identity.get(key) != value:
            yield f"identity()[{key!r}] is {identity.get(key)!r}; expected {value!r} (start from super().identity())"
    if json.dumps(subject.make().identity(), sort_keys=True) != text:
        yield "two instances with equal options have different identities; a resumed run would score everything again"
    yield from _variants_told_apart(subject, identity)
    yield from _weights_told_apart(subject)
    if importable(cls) and subject.setup is None and _identity_elsewhere(subject) != text:
        yield (
            "in another process the identity differs; nothing in it may depend on addresses, hashes, sets or the time"
        )


def _variants_told_apart(subject: Subject, identity: dict[str, Any]) -> Iterator[str]:
    """Each option that counts changes the identity, and one that is declared to change no number does not."""
    for changed in subject.variants():
        try:
            other = subject.make(**changed).identity()
        except EditMetricsError:
            continue  # weights of that option that are not on this machine
        runtime = changed.keys() <= subject.cls.runtime_options
        if other == identity and not runtime:
            yield f"with {changed} the identity is the same; a resumed run would reuse a score that another option gave"
        if other != identity and runtime:
            yield f"with {changed} the identity is another, though runtime_options declares that it changes no number"


def _weights_told_apart(subject: Subject) -> Iterator[str]:
    """Other files under the names of `checkpoints()` give the engine another key, and no other files are read."""
    from .. import weights

    with weights.used() as used:
        loaded = subject.make()
        try:
            loaded.load()
        except Exception:
            return  # see the check 'scores'
    declared, identity = set(loaded.checkpoints()), json.dumps(loaded.identity(), default=str)
    models = {name for name in used - declared if (weights.folder_of(name) / "config.json").is_file()}
    told = {name for name in models if folder_digest(weights.folder_of(name)) in identity}  # as a backbone
    if undeclared := sorted(used - declared - told):
        yield (
            f"it reads the weights {', '.join(undeclared)}, which checkpoints() does not name; "
            "other weights would have the same identity, and a resumed run would reuse their scores"
        )
    key = Column(subject.make()).key
    for name in sorted(declared):
        with tempfile.TemporaryDirectory() as folder:
            for file in weights.checkpoint(name).files:
                other = Path(folder, file.path)
                other.parent.mkdir(parents=True, exist_ok=True)
                other.write_bytes(b"other weights")
            try:
                with weights.substitute(name, folder):
                    same = Column(subject.make()).key == key
            except EditMetricsError:
                continue  # it refuses such files, and so gives no number of them
            if same:
                yield f"with other files for {name} the identity is the same; a resumed run would reuse old scores"


def pickling(subject: Subject) -> Iterator[str]:
    """It survives pickling, loaded or not, with equal options and scores: that is how it reaches other processes."""
    import pickle

    if not importable(subject.cls):
        raise NotApplicable("it is defined in a function or in __main__, where pickle finds no class")
    instances = {"not loaded": subject.make(), "loaded and used": subject.metric}
    instances |= {f"with {changed}": subject.make(**changed) for changed in subject.variants()}
    for when, metric in instances.items():
        try:
            again = pickle.loads(pickle.dumps(metric))  # noqa: S301 - our own bytes, just made
        except Exception as error:
            yield f"{when}, it cannot be pickled: {type(error).__name__}: {error}"
            continue
        if type(again) is not type(metric) or (again.options, again.device) != (metric.options, metric.device):
            yield (
                f"{when}, it comes back from pickling as {again!r} on {again.device}; "
                f"expected {metric!r} on {metric.device}"
            )
        elif metric is subject.metric:
            again = subject.prepared_by_setup(again)
            for difference in subject.differences(subject.scores, subject.alone(subject.samples, again)):
                yield f"{when} and pickled, it scores otherwise: {difference}"


def _from_label(metric: Metric) -> Metric:
    """Return the metric that the label of `metric` names; by the registry, if it is registered."""
    name, text = parse_spec(metric.label)
    try:
        registered = metric_class(name) is type(metric)
    except UnknownMetricError:
        registered = False
    return create_metric(metric.label) if registered else type(metric)(**checked_options(type(metric), dict(text)))


def _identity_elsewhere(subject: Subject) -> str:
    from .. import weights

    cls = subject.cls
    names = subject.make().checkpoints()
    substitutes = {
        name: str(weights.folder_of(name)) for name in names if weights.folder_of(name) != weights.store() / name
    }
    where: list[Any] = [cls.__module__, cls.__qualname__, sys.path, subject.options, subject.device, substitutes]
    return json.dumps(in_another_process(_IDENTITY, where, PYTHONHASHSEED="4242"), sort_keys=True)
