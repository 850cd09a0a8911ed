"""The shape of the package: sizes, circles, names, the way of one score. `python -m tools.house` prints the figures."""

import ast
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from tests.sources import tree_of
from tools import house

TREES = house.modules(house.PACKAGE)
FILES = sorted(house.PACKAGE.rglob("*.py"))

MANY_PARAMETERS = {
    "editmetrics.bases.trained.fit": "the public call that trains: files, targets and folder, each documented there",
    "editmetrics.bases.judge.__init__": "the options of a judge metric, which `name:option=value` sets",
    "editmetrics.judge.endpoint.__init__": "the settings of an endpoint, which a judge metric's options name",
    "editmetrics.data.find.find_samples": "the inputs of a run, one for each option of `score`",
    "editmetrics.rewards.reward.as_reward": "the options of a reward, which configurations of trainers name",
}
"""Functions with more than eight parameters, and why."""

BANNED = {"found", "said", "place", "given", "there", "of"}
"""Words that say neither the role nor the type of a variable."""


def qualified(name, function):
    return f"{name}.{function.name}"


def test_no_file_is_longer_than_400_lines():
    long = {str(path): count for path in FILES if (count := len(path.read_bytes().splitlines())) > house.LONG_FILE}
    assert not long


def test_no_function_is_longer_than_60_lines():
    long = [
        qualified(name, function)
        for name, tree in TREES.items()
        for function in house.functions(tree)
        if house.length(function) > house.LONG_FUNCTION
    ]
    assert not long


def test_more_than_eight_parameters_have_a_reason():
    many = set()
    for name, tree in TREES.items():
        for function in house.functions(tree):
            arguments = function.args
            parameters = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            is_command = any("option" in ast.dump(decorator) for decorator in function.decorator_list)
            if len([one for one in parameters if one.arg not in ("self", "cls")]) > 8 and not is_command:
                many.add(qualified(name, function))
    assert many == MANY_PARAMETERS.keys()


def test_no_modules_import_each_other():
    assert house.circles(TREES) == []


def test_a_circle_would_be_seen():
    """Planted: a and b import each other, one of them inside a function; c only imports."""
    sources = {"p": "", "p.a": "from . import b", "p.b": "def f():\n    from .a import x", "p.c": "from .b import f"}
    assert house.circles({name: ast.parse(source) for name, source in sources.items()}) == [["p.a", "p.b"]]


def test_one_pair_of_psnr_passes_few_files():
    """In a process of its own, in which nothing has been imported."""
    code = "from tools.house import psnr_hops; print(len(psnr_hops()))"
    run = subprocess.run([sys.executable, "-c", code], cwd=house.ROOT, capture_output=True, text=True, check=True)
    assert int(run.stdout.split()[-1]) <= 31


def test_no_two_public_classes_have_one_name():
    modules = defaultdict(list)
    for name, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                modules[node.name].append(name)
    assert {name: where for name, where in modules.items() if len(where) > 1} == {}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(Path(path).relative_to(house.PACKAGE)))
def test_variables_are_named_by_role(path):
    tree = tree_of(path)
    bound = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    bound |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    assert not bound & BANNED
