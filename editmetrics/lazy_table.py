"""A table of things that are imported when they are asked for: from a name to a module, as strings."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

Entry = TypeVar("Entry")


class LazyTable(Mapping[str, Entry], Generic[Entry]):
    """A read-only dictionary whose values are the constant `attribute` of modules that are imported on access.

    Names, length and membership import nothing.

    >>> table = LazyTable({"circle": "math"}, "pi")
    >>> list(table), round(table["circle"], 2)
    (['circle'], 3.14)
    """

    def __init__(self, modules: Mapping[str, str], attribute: str) -> None:
        self.modules, self.attribute = dict(modules), attribute

    def __getitem__(self, name: str) -> Entry:
        entry: Entry = getattr(importlib.import_module(self.modules[name]), self.attribute)
        return entry

    def __contains__(self, name: object) -> bool:
        return name in self.modules

    def __iter__(self) -> Iterator[str]:
        return iter(self.modules)

    def __len__(self) -> int:
        return len(self.modules)
