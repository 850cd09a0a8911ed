"""Published assessors as data: a file of conventions each, and one metric class for each read-out.

Every `NAME.toml` in this folder is the built-in metric NAME. A package of its own ships such a file in two lines, and
registers the class as it would any other metric:

    # my_package/__init__.py
    from editmetrics.conventions import metric_class_of
    my_assessor = metric_class_of(Path(__file__).with_name("my_assessor.toml"), __name__)

    # pyproject.toml
    [project.entry-points."editmetrics.metrics"]
    my_assessor = "my_package:my_assessor"

`schema.py` says what a file holds.

>>> edit_score = metric_class_of(FOLDER / "edit_score.toml", __name__)
>>> edit_score.name, edit_score().model_rule.base
('edit_score', 'Qwen/Qwen2.5-VL-7B-Instruct')
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .assessor import ConventionMetric
    from .schema import Conventions

__all__ = ["FOLDER", "metric_class_of"]

FOLDER = Path(__file__).parent

READOUTS = {
    "text": "editmetrics.conventions.text:TextAssessor",
    "state": "editmetrics.conventions.state:StateAssessor",
    "levels": "editmetrics.conventions.levels:LevelsAssessor",
}
"""The class of each read-out."""


def metric_class_of(file: str | Path, module: str) -> type[ConventionMetric]:
    """Return the metric class of a file of conventions.

    The class has the name of the metric; `module` is the name of the module in which other processes find it.
    Raises `ConventionsError`, which names the file and the line.
    """
    from .described import documentation, licence
    from .dimensions import declared_dimensions
    from .reading import read_conventions

    conventions = read_conventions(file)
    path, _, attribute = READOUTS[conventions.readout].partition(":")
    base: Any = getattr(importlib.import_module(path), attribute)
    columns = frozenset(rule.chosen_by for rule in conventions.questions if rule.chosen_by)
    shipped = all(prompt.text is not None for prompt in conventions.prompts.values())
    members = {
        "__module__": module,
        "__doc__": documentation(conventions),
        "conventions": conventions,
        "name": conventions.name,
        "version": conventions.version,
        "title": conventions.title,
        "needs": frozenset(conventions.requires),
        "dimensions": declared_dimensions(conventions),
        "paper": conventions.origin.paper,
        "licence": licence(conventions),
        "columns": columns,
        "unused_options": frozenset(["repository"] * shipped + ["task"] * (not columns)) | _not_served(conventions),
        "prompts": tuple(prompt.sha256 for prompt in conventions.prompts.values()),
    }
    made: type[ConventionMetric] = type(base)(conventions.name, (base,), members)
    return made


def _not_served(conventions: Conventions) -> frozenset[str]:
    """Return the options of servers, where none can be asked: a question that no chat template surrounds."""
    from ..bases.served import OPTIONS

    return OPTIONS if conventions.levels is not None and not conventions.levels.chat else frozenset()


def __getattr__(name: str) -> type[ConventionMetric]:
    """Return the class of a built-in metric, made of its file when it is first asked for."""
    file = FOLDER / f"{name}.toml"
    if name.startswith("_") or not file.is_file():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = made = metric_class_of(file, __name__)
    return made
