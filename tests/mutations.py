"""Planted mistakes in the training of assessors, in suites, preferences, metrics, and the tests that must notice each.

    python -m tests.mutations                  # all of them: some twenty minutes of one core
    python -m tests.mutations swapped          # those whose name holds a word

Each is put into a copy of the checkout, where the tests that are named beside it must fail; without it they pass there.
A mistake that they survive is a defect of the tests: mend the tests, or name better ones. `tests/test_mutations.py`
sees that the list keeps up with the code.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import multiprocessing
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.mutations import MUTATIONS as BENCHMARKS
from tests.conventions.mutations import MUTATIONS as CONVENTIONS
from tests.mllm.mutations import MUTATIONS as ASSESSORS
from tests.plugins.image_regressor.mutations import MUTATIONS as REGRESSORS
from tests.plugins.mutations import MUTATIONS as PLUGINS
from tests.publishing.mutations import MUTATIONS as PUBLISHING
from tests.served.mutations import MUTATIONS as SERVED
from tests.suites.mutations import MUTATIONS as SUITES

ROOT = Path(__file__).parents[1]
COPIED = (
    "editmetrics",
    "tests",
    "docs",
    "examples",
    "tools",
    "pyproject.toml",
    "weights_registry.json",
    "CHANGELOG.md",
)
PASSED, FAILED = 0, 1
"""What pytest exits with."""

LOADED = ["torch", "transformers", "peft", "accelerate", "scipy.stats", "pytest"]
"""Imported once, for all processes that run tests."""


@dataclass(frozen=True)
class Mutation:
    """One mistake: in `file`, `old` becomes `new`; some of `tests`, names as pytest takes them, must fail.

    `old` occurs once in the file.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTATIONS = (
    *(Mutation(*one) for one in ASSESSORS),
    *(Mutation(f"benchmarks: {name}", *more) for name, *more in BENCHMARKS),
    *(Mutation(f"suites: {name}", *more) for name, *more in SUITES),
    *(Mutation(f"publishing: {name}", *more) for name, *more in PUBLISHING),
    *(Mutation(f"conventions: {name}", *more) for name, *more in CONVENTIONS),
    *(Mutation(f"served: {name}", *more) for name, *more in SERVED),
    *(Mutation(f"plugins: {name}", *more) for name, *more in (*PLUGINS, *REGRESSORS)),
)  # fmt: skip


@contextmanager
def copied_checkout() -> Iterator[Path]:
    """A copy of the checkout in a folder of its own, which is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        for name in COPIED:
            source, copy = ROOT / name, Path(folder) / name
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            elif source.is_file():
                shutil.copy(source, copy)
        yield Path(folder)


def run_tests(checkout: Path, tests: Sequence[str]) -> tuple[int, str]:
    """The exit code of pytest for `tests` in `checkout`, and the end of what it printed; in a process of its own."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    own, other = context.Pipe(duplex=False)
    process = context.Process(target=_pytest, args=(str(checkout), list(tests), other))
    process.start()
    other.close()
    try:
        return own.recv()
    except EOFError:
        return process.exitcode or -1, "the process of the tests died"
    finally:
        process.join()


def _pytest(checkout: str, tests: list[str], result: Any) -> None:
    """In a fresh process: run `tests` with the modules of `checkout` alone, and send the exit code and the output."""
    for name in [name for name in sys.modules if name.partition(".")[0] in ("editmetrics", "tests")]:
        del sys.modules[name]
    os.chdir(checkout)
    sys.path[:] = [checkout, *(path for path in sys.path if path not in ("", str(ROOT)))]
    sys.dont_write_bytecode = True
    os.environ["PYTHONPATH"] = checkout
    import pytest

    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        code = pytest.main(["-n", "0", "-q", "-x", "-p", "no:cacheprovider", *tests])
    import editmetrics

    if not str(editmetrics.__file__).startswith(checkout):
        code = -1
    result.send((int(code), output.getvalue()[-2000:]))


def survives(mutation: Mutation, checkout: Path) -> bool:
    """Whether the tests of `mutation` pass with it. Raises `RuntimeError` where they could not be run."""
    file = checkout / mutation.file
    text = file.read_text(encoding="utf-8")
    file.write_text(mutated(mutation, text), encoding="utf-8")
    try:
        code, output = run_tests(checkout, mutation.tests)
    finally:
        file.write_text(text, encoding="utf-8")
    if code not in (PASSED, FAILED):
        raise RuntimeError(f"{mutation.name}: pytest exited with {code}:\n{output}")
    return code == PASSED


def mutated(mutation: Mutation, text: str) -> str:
    """The file's `text` with the mistake in it. Raises `ValueError` unless `old` occurs in it once."""
    if (count := text.count(mutation.old)) != 1:
        raise ValueError(f"{mutation.name}: {mutation.file} has {mutation.old!r} {count} times; expected once")
    return text.replace(mutation.old, mutation.new)


def survivors(mutations: Iterable[Mutation]) -> list[str]:
    """The names of the mutations that their tests do not notice; prints a line for each mutation.

    Raises `RuntimeError` where the tests fail without any mutation.
    """
    alive, mutations = [], list(mutations)
    with copied_checkout() as checkout:
        code, output = run_tests(checkout, list(dict.fromkeys(test for each in mutations for test in each.tests)))
        if code != PASSED:
            raise RuntimeError(f"the tests fail without a mutation:\n{output}")
        for mutation in mutations:
            survived = survives(mutation, checkout)
            print(f"{'SURVIVED' if survived else 'killed':9} {mutation.name}", flush=True)
            if survived:
                alive.append(mutation.name)
    return alive


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("word", nargs="?", default="", help="run only the mutations whose name holds this word")
    word = parser.parse_args().word
    chosen = [mutation for mutation in MUTATIONS if word in mutation.name]
    alive = survivors(chosen)
    print(f"{len(chosen) - len(alive)} of {len(chosen)} killed")
    return 1 if alive else 0


if __name__ == "__main__":
    sys.exit(main())
