"""Measure the shape of a Python package: sizes, docstrings, import circles, the way of one score.

    python -m tools.house                          # editmetrics, with the files that one psnr pair passes
    python -m tools.house site-packages/timm ...   # the same table for installed packages, side by side

The table in docs/design.md is made by it. Lines are lines of `.py` files, blank ones and comments included.
"""

from __future__ import annotations

import ast
import inspect
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "editmetrics"
LONG_FUNCTION, LONG_FILE = 60, 400
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(package: Path) -> dict[str, ast.Module]:
    """Dotted name -> syntax tree of every module of a package; a package's name stands for its `__init__`."""
    trees = {}
    for path in sorted(package.rglob("*.py")):
        parts = path.relative_to(package.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        trees[name] = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
    return trees


def functions(tree: ast.AST) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """Public classes and functions of a module, and the public methods of its public classes."""
    for node in body:
        if isinstance(node, (Function, ast.ClassDef)) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from public(node.body)


def imported(name: str, tree: ast.Module, known: set[str]) -> set[str]:
    """The modules of its own package that a module imports, at its top or inside a function; not for types alone."""
    is_package = any(other.startswith(f"{name}.") for other in known)
    parents = name.split(".") if is_package else name.split(".")[:-1]
    typing = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)
        for inner in ast.walk(node)
    }
    names: set[str] = set()
    for node in ast.walk(tree):
        if node in typing:
            continue
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(parents[: len(parents) + 1 - node.level]) if node.level else ""
            names |= {".".join(filter(None, (base, node.module, alias.name))) for alias in node.names}
    nearest = {one if one in known else one.rpartition(".")[0] for one in names}
    return (nearest & known) - {name}


def circles(trees: dict[str, ast.Module]) -> list[list[str]]:
    """Groups of modules that import each other, directly or by way of others (Tarjan's components of two or more)."""
    graph = {name: imported(name, tree, set(trees)) for name, tree in trees.items()}
    order: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        order[name] = low[name] = len(order)
        stack.append(name)
        for target in graph[name]:
            if target not in order:
                visit(target)
                low[name] = min(low[name], low[target])
            elif target in stack:
                low[name] = min(low[name], order[target])
        if low[name] == order[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for name in graph:
        if name not in order:
            visit(name)
    return groups


def single_importer(trees: dict[str, ast.Module]) -> int:
    """How many modules exactly one other module imports."""
    uses: dict[str, int] = {}
    for name, tree in trees.items():
        for target in imported(name, tree, set(trees)):
            uses[target] = uses.get(target, 0) + 1
    return sum(count == 1 for count in uses.values())


def shape(package: Path) -> dict[str, str]:
    """The rows of the table for one package, as text."""
    trees = modules(package)
    lines = [len(path.read_bytes().splitlines()) for path in package.rglob("*.py")]
    lengths = [length(function) for tree in trees.values() for function in functions(tree)]
    long = sum(one > LONG_FUNCTION for one in lengths)
    names = [node for tree in trees.values() for node in public(tree.body)]
    bare = sum(ast.get_docstring(node, clean=False) is None for node in names)
    return {
        "lines / files": f"{sum(lines):,} / {len(lines)}",
        "median file, lines": str(sorted(lines)[len(lines) // 2]),
        f"files over {LONG_FILE} lines": str(sum(one > LONG_FILE for one in lines)),
        "mean function, lines": f"{sum(lengths) / len(lengths):.1f}",
        f"functions over {LONG_FUNCTION} lines": f"{long} of {len(lengths):,} ({long / len(lengths):.1%})",
        "public names without a docstring": f"{bare / len(names):.0%}",
        "modules with one importer": str(single_importer(trees)),
        "import circles": str(len(circles(trees))),
    }


class Hops:
    """The files of a package whose functions are called while it is active; the bodies of modules and classes, which
    run when they are imported, do not count."""

    def __init__(self, package: Path) -> None:
        self.prefix, self.files = f"{package}/", set[str]()

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_flags & inspect.CO_OPTIMIZED and code.co_filename.startswith(self.prefix):
            self.files.add(code.co_filename.removeprefix(self.prefix))

    def __enter__(self) -> Hops:
        threading.setprofile(self)
        sys.setprofile(self)
        return self

    def __exit__(self, *exception: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)


def psnr_hops() -> list[str]:
    """The files of editmetrics that `editmetrics score source edited -m psnr -o scores.csv` passes for one pair."""
    from PIL import Image

    with tempfile.TemporaryDirectory() as folder, Hops(PACKAGE) as hops:
        for name in ("source", "edited"):
            Path(folder, name).mkdir()
            Image.new("RGB", (32, 32), "white" if name == "source" else "gray").save(Path(folder, name, "a.png"))
        from editmetrics.cli import main

        pair = [str(Path(folder, name)) for name in ("source", "edited")]
        sys.argv = ["editmetrics", "score", *pair, "-m", "psnr", "-o", str(Path(folder, "scores.csv")), "-q"]
        try:
            main()
        except SystemExit as end:
            if end.code:
                raise
    return sorted(hops.files)


def table(columns: dict[str, dict[str, str]]) -> str:
    """A Markdown table: a column for each package."""
    names = list(columns)
    rows = [["", *names], ["---"] * (len(names) + 1)]
    rows += [[row, *(columns[name][row] for name in names)] for row in next(iter(columns.values()))]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def main() -> None:
    packages = [PACKAGE, *map(Path, sys.argv[1:])]
    print(table({package.name: shape(package) for package in packages}))
    for group in circles(modules(PACKAGE)):
        print("circle:", ", ".join(group))
    hops = psnr_hops()
    print(f"\none psnr pair passes {len(hops)} files:", *hops, sep="\n  ")


if __name__ == "__main__":
    main()
