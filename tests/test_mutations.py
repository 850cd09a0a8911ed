"""The planted mistakes are of today's code, and each is noticed by the tests that are named beside it."""

from __future__ import annotations

import ast

import pytest

from tests.mutations import MUTATIONS, ROOT, mutated, survivors


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_a_mutation_fits_the_code_and_names_tests_of_the_gate(mutation):
    """Its text occurs once in its file, the mistake is Python, and its tests exist and are not slow."""
    ast.parse(mutated(mutation, (ROOT / mutation.file).read_text(encoding="utf-8")))
    for test in mutation.tests:
        file, _, name = test.partition("::")
        functions = {node.name: node for node in ast.parse((ROOT / file).read_text(encoding="utf-8")).body
                     if isinstance(node, ast.FunctionDef)}  # fmt: skip
        assert name in functions, test
        assert not any("slow" in ast.unparse(mark) for mark in functions[name].decorator_list), test


def test_names_are_given_once():
    assert len({mutation.name for mutation in MUTATIONS}) == len(MUTATIONS) >= 12


@pytest.mark.slow
def test_every_mutation_is_killed():
    """Some twenty minutes of one core: `python -m tests.mutations`."""
    assert survivors(MUTATIONS) == []
