"""Checks of a metric's declarations: how it is imported, named, described and constructed."""

from __future__ import annotations

import inspect
import json
import math
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import cache
from typing import Any

from ..metric import Metric
from ..options import checked_options
from ..sample import FIELDS, SEVERAL_IMAGES, Dimension
from .subject import NotApplicable, Subject

# fmt: off
HEAVY = frozenset({
    "PIL", "accelerate", "cv2", "datasets", "diffusers", "httpx", "huggingface_hub", "jax", "lpips", "matplotlib",
    "open_clip", "openai", "pandas", "peft", "polars", "pyarrow", "pydantic", "requests", "scipy", "skimage",
    "sklearn", "tensorflow", "timm", "tokenizers", "torch", "torchaudio", "torchvision", "transformers",
})
# fmt: on
"""Libraries that a metric imports inside its functions, never at the top of its module."""

IMPORT_SECONDS, CONSTRUCT_SECONDS = 1.0, 0.05
"""Processor time that an import and a constructor may take, several times what an honest one needs."""

_IMPORT = """
import importlib, json, sys, time
module, qualname, path, heavy = json.loads(sys.argv[1])
sys.path[:] = path
before = set(sys.modules)
began = time.process_time()
cls = importlib.import_module(module)
for part in qualname.split("."):
    cls = getattr(cls, part)
seconds = time.process_time() - began
def loaded():
    return sorted({name.partition(".")[0] for name in set(sys.modules) - before} & set(heavy))
at_import = loaded()
metric = cls()
metric.label, metric.checkpoints(), metric.required()
print(json.dumps({"seconds": seconds, "import": at_import, "construct": loaded()}))
"""


def light_import(subject: Subject) -> Iterator[str]:
    """Importing its module and constructing it, in a new process, loads no heavy library and takes little time."""
    measured = _imported_alone(subject.cls)
    advice = "import it inside the methods that use it, and under `if TYPE_CHECKING:` for annotations"
    if measured["import"]:
        yield f"importing {subject.cls.__module__} imports {', '.join(measured['import'])}; {advice}"
    elif measured["construct"]:
        yield (
            f"constructing it (or its label, checkpoints() or required()) imports {', '.join(measured['construct'])}; "
            "leave that to load()"
        )
    if measured["seconds"] > IMPORT_SECONDS:
        yield (
            f"importing {subject.cls.__module__} takes {measured['seconds']:.1f} s of processor time; "
            f"expected under {IMPORT_SECONDS} s"
        )


def declaration(subject: Subject) -> Iterator[str]:
    """Name, version, fields and dimensions are complete and agree with each other."""
    cls = subject.cls
    if not re.fullmatch(r"[a-z][a-z0-9_]*|[a-z0-9][a-z0-9._-]*/[A-Za-z][A-Za-z0-9._+-]*", cls.name):
        yield (
            f"name is {cls.name!r}; "
            "expected lower-case letters, digits and underscores (or a package, /, and the name it has there)"
        )
    if type(cls.version) is not int or cls.version < 1:
        yield f"version is {cls.version!r}; expected an integer from 1, which rises whenever any number changes"
    yield from _field_problems(subject)
    if not (
        isinstance(cls.dimensions, tuple) and cls.dimensions and all(isinstance(d, Dimension) for d in cls.dimensions)
    ):
        yield f"dimensions is {cls.dimensions!r}; expected a tuple of Dimension, one at least"
        return
    yield from _dimension_problems(cls.dimensions)
    if not (isinstance(cls.requires, tuple) and all(isinstance(name, str) for name in cls.requires)):
        yield f"requires is {cls.requires!r}; expected a tuple of pip names"
    if not isinstance(cls.concurrent, bool):
        yield f"concurrent is {cls.concurrent!r}; expected True or False"
    if cls.host_reads is not None and (not isinstance(cls.host_reads, int) or cls.host_reads < 0):
        yield f"host_reads is {cls.host_reads!r}; expected how often score_batch waits for the device, or None"


def documentation(subject: Subject) -> Iterator[str]:
    """The class says what it is, what each option does, where the method comes from and under what licence."""
    cls = subject.cls
    text = inspect.cleandoc(cls.__dict__.get("__doc__") or "")
    summary = text.partition("\n\n")[0]
    if len(summary) < 20 or not summary.endswith("."):
        yield (
            f"the docstring of {cls.__name__} begins {summary!r}; "
            "expected one sentence with a full stop: what it measures, and its unit"
        )
    for option in cls.option_list():
        if not option.description:
            yield (
                f"option {option.name} is not described; "
                f"write '    {option.name}: what it does' under 'Options:' in the class docstring"
            )
    if not cls.paper.strip():
        yield "paper is empty; say where the method comes from (authors, title, year, link), or that it is a definition"
    if not cls.licence.strip():
        yield "licence is empty; say under what terms its code and weights may be used"


def constructor(subject: Subject) -> Iterator[str]:
    """`__init__` takes keywords with defaults, stores each under its own name, and does no work."""
    cls = subject.cls
    parameters = inspect.signature(cls).parameters.values()
    options = [p for p in parameters if p.kind is not p.VAR_KEYWORD]
    if odd := [p.name for p in options if p.kind is not p.KEYWORD_ONLY or p.default is p.empty]:
        yield (
            f"__init__ takes {', '.join(odd)} not as a keyword with a default; "
            "write def __init__(self, *, option: type = default)"
        )
        return
    try:
        cls(**{"no such option": 1})
        yield "__init__ accepts an unknown option; pass **shared to super().__init__, which refuses it"
    except TypeError:  # as Python has it
        pass
    for option in cls.option_list():
        if option.hint is Any:
            yield (
                f"option {option.name} has no type; "
                "annotate it, so that text from the command line can be read and checked"
            )
        elif checked_options(cls, {option.name: option.default}) != {option.name: option.default}:
            yield (
                f"option {option.name} has the default {option.default!r}, which its own type converts to another value"
            )
    for chosen in ({}, *subject.variants()):
        metric = cls(**chosen)
        for name, value in {**{option.name: option.default for option in cls.option_list()}, **chosen}.items():
            if (stored := getattr(metric, name, None)) != value or type(stored) is not type(value):
                yield (
                    f"{cls.__name__}({name}={value!r}).{name} is {stored!r}; "
                    "store each option as it is, under its own name"
                )
    if (seconds := min(_seconds_to_construct(cls) for _ in range(3))) > CONSTRUCT_SECONDS:
        yield (
            f"__init__ takes {seconds:.2f} s of processor time; "
            f"leave work to load() (expected under {CONSTRUCT_SECONDS} s)"
        )
    metric = cls()
    if metric.to("cpu") is not metric or metric.device != "cpu":
        yield "to('cpu') must set device to 'cpu' and return the metric itself"
    checkpoints = metric.checkpoints()
    if not (isinstance(checkpoints, tuple) and all(isinstance(name, str) for name in checkpoints)):
        yield f"checkpoints() returned {checkpoints!r}; expected a tuple of names in the weights registry"


def importable(cls: type[Metric]) -> bool:
    """Return whether another process can import the class: it is defined in a module, not in a function or notebook."""
    return cls.__module__ != "__main__" and "<locals>" not in cls.__qualname__


def in_another_process(script: str, arguments: Any, **environment: str) -> Any:
    """Run `script` in a new Python process with `arguments` as JSON, and return the JSON that it prints."""
    import os

    done = subprocess.run(  # noqa: S603 - our own interpreter, our own script
        [sys.executable, "-c", script, json.dumps(arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    )
    if done.returncode:
        raise RuntimeError(f"a new process cannot import or construct it: {done.stderr.strip().splitlines()[-1]}")
    return json.loads(done.stdout.strip().splitlines()[-1])


@cache
def _imported_alone(cls: type[Metric]) -> dict[str, Any]:
    if not importable(cls):
        raise NotApplicable("it is defined in a function or in __main__, which no other process can import")
    measured: dict[str, Any] = in_another_process(_IMPORT, [cls.__module__, cls.__qualname__, sys.path, sorted(HEAVY)])
    return measured


def _field_problems(subject: Subject) -> Iterator[str]:
    cls = subject.cls
    for attribute in ("needs", "uses"):
        fields = getattr(cls, attribute)
        if not isinstance(fields, (set, frozenset)):
            yield f"{attribute} is {fields!r}; expected a set of fields of Sample"
            return
        if unknown := sorted(fields - set(FIELDS)):
            yield f"{attribute} names {', '.join(unknown)}; a sample has {', '.join(FIELDS)}"
    if unusual := sorted((cls.several - (cls.needs | cls.uses)) & set(SEVERAL_IMAGES)):
        yield f"several names {', '.join(unusual)}; expected source or reference, where it is in needs or uses"
    if "edited" not in cls.needs:
        yield "needs lacks 'edited', the image that every metric judges"
    if twice := sorted(cls.needs & cls.uses):
        yield f"{', '.join(twice)} is in both needs and uses; a field that it always requires belongs in needs alone"
    for changed in ({}, *subject.variants()):
        required = frozenset(cls(**{**subject.options, **changed}).required())
        if undeclared := sorted(required - cls.needs - cls.uses):
            yield (
                f"with {changed or 'its defaults'} it requires {', '.join(undeclared)}, which is neither in needs "
                "nor in uses"
            )
        if dropped := sorted(cls.needs - required):
            yield (
                f"with {changed or 'its defaults'} it does not require {', '.join(dropped)}; "
                "then that belongs in uses, not in needs"
            )


def _dimension_problems(dimensions: tuple[Dimension, ...]) -> Iterator[str]:
    names = [dimension.name for dimension in dimensions]
    if len(set(names)) < len(names):
        yield f"dimensions are named {', '.join(names)}; each needs a name of its own"
    if [dimension.primary for dimension in dimensions] != [True] + [False] * (len(dimensions) - 1):
        yield "exactly one dimension must be primary=True, and it must be the first"
    for dimension in dimensions:
        if not re.fullmatch(r"[a-z][a-z0-9_]*", dimension.name):
            yield f"dimension {dimension.name!r}: expected a name of lower-case letters, digits and underscores"
        if math.isnan(dimension.low) or math.isnan(dimension.high) or not dimension.low < dimension.high:
            yield f"dimension {dimension.name} ranges from {dimension.low} to {dimension.high}; expected low < high"
        if len(dimensions) > 1 and not dimension.description.strip():
            yield f"dimension {dimension.name} has no description; with several dimensions each says what it means"


def _seconds_to_construct(cls: type[Metric]) -> float:
    began = time.process_time()
    cls()
    return time.process_time() - began
