"""The package's modules as syntax trees, each parsed once; a test that changes one breaks the others."""

import ast
from functools import cache


@cache
def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"))
