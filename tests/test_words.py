"""Help texts, messages and summary lines in plain English: the glossary of CONTRIBUTING, held by a machine."""

import ast
import re
from pathlib import Path

import click
import pytest

from editmetrics.cli import CORE, METHODS, load
from tests.sources import tree_of

PACKAGE = Path(__file__).parents[1] / "editmetrics"
FILES = sorted(path for path in PACKAGE.rglob("*.py") if "templates" not in path.parts)

BAD_START = re.compile(r"(Of|The same|What|Whatever|That of|Those of|Whether or not|Where it)\b")
"""Beginnings that leave the reader without a subject."""

BAD_WORDS = re.compile(
    r"""
    \b(
        as\ often\ as\ wanted | goes\ on\b(?!\ to) | go\ on\ (with|from|where|after) | going\ on\ with
      | (?<!there\ )is\ no\ (?!longer|more|less|fewer|larger|smaller|greater|better|worse|doubt)
      | (?<!there\ )are\ no\ (?!longer|more)
      | has\ not\ (?!yet)[.,;]? (?!\ *\w+(ed|en)\b) | have\ not(?=[.,;]|$) | has\ not(?=[.,;]|$)
      | nobody | whoever | whosoever | in\ vain | for\ ever\b | lies\ aside | lie\ aside | is\ said\ (of|to)\b
      | of\ itself | and\ the\ like | is\ none\ of | called\ wrongly | called\ so | the\ other\ way\ round
      | what\ there\ is | that\ there\ are\b | must\ needs | wants\ for | taken\ over | is\ not\ there\b
    )
    """,
    re.VERBOSE | re.IGNORECASE,
)
"""Turns that are archaic, poetic or a translation; say resume, repeatable, not, does not have, no package, ..."""

SPEAKING = {"echo", "warn", "warning", "info", "error", "exception", "UsageError", "fail", "confirm"}
"""Calls whose texts a user reads."""


def every_command():
    """Yield the path and the object of each command and of each subcommand."""
    for name in [*CORE, *METHODS]:
        command = load(name)
        yield name, command
        if isinstance(command, click.Group):
            yield from ((f"{name} {inner}", each) for inner, each in command.commands.items())


COMMANDS = dict(every_command())


def text_of(node):
    """Return the literal text of a string or f-string, with {} for each value; None for any other node."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        return None if left is None or right is None else left + right
    return None


def messages(tree):
    """Yield the line and the text of each literal that is raised, logged, warned or printed."""
    for node in ast.walk(tree):
        arguments = []
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            arguments = [*node.exc.args, *(keyword.value for keyword in node.exc.keywords)]
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            arguments = node.args if name in SPEAKING else []
        for argument in arguments:
            text = text_of(argument)
            if text is not None:
                yield node.lineno, text


def summaries(tree):
    """Yield the line and the first sentence of each docstring, and of each text below an assignment."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text.split("\n\n")[0]


def faults(text):
    """Yield what is wrong with a text."""
    if BAD_START.match(text):
        yield f"begins with {BAD_START.match(text)[0]!r}"
    for bad in BAD_WORDS.finditer(text):
        yield f"contains {bad[0]!r}"


@pytest.mark.parametrize("name", COMMANDS)
def test_help_texts(name):
    command = COMMANDS[name]
    problems = []
    helps = [(f"--{parameter.name}", parameter.help) for parameter in command.params
             if isinstance(parameter, click.Option)]  # fmt: skip
    for where, text in [("docstring", command.help), *helps]:
        if not text:
            problems.append(f"{where}: has no help")
            continue
        text = re.sub(r"\s+", " ", text)
        problems += [f"{where}: {fault}: {text}" for fault in faults(text)]
        if where != "docstring" and not text.endswith("."):
            problems.append(f"{where}: does not end with a period: {text}")
    for option in command.params:
        if not isinstance(option, click.Option) or not option.help:
            continue
        if option.multiple != ("Repeatable." in option.help):
            problems.append(f"--{option.name}: a repeatable option says 'Repeatable.', and no other does")
        if re.search(r"\b[Dd]efault:", option.help):
            problems.append(f"--{option.name}: states its default by show_default, not in the help")
    assert not problems


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_messages_and_summaries(path):
    tree = tree_of(path)
    texts = [*messages(tree), *summaries(tree)]
    problems = [f"line {line}: {fault}: {text}" for line, text in texts for fault in faults(re.sub(r"\s+", " ", text))]
    assert not problems, "\n".join(problems)


COUNTED = re.compile(
    r"(?<!of )(?<!least )(?<!than )(?<!most )(?<!all )(?<!around )"
    r"\{\} (image|sample|pair|row|answer|question|score|file|problem|folder|picture|rating|item|cell|system|metric"
    r"|text)s\b"
)
"""A count and a plural, which is wrong for one: use `wording.plural`."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_counts_agree_with_their_nouns(path):
    tree = tree_of(path)
    problems = [
        f"line {line}: {COUNTED.search(text)[0]}: {text}" for line, text in messages(tree) if COUNTED.search(text)
    ]
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize(
    ("text", "bad"),
    [
        ("Of the intervals.", True),
        ("The same, the other way.", True),
        ("The same seed gives the same parts.", True),
        ("What is shown.", True),
        ("it needs a mask, which this sample has not", True),
        ("'x' is no split", True),
        ("the run goes on", True),
        ("nobody has allowed it", True),
        ("Confidence level of the intervals.", False),
        ("it is not installed and has not finished", False),
        ("this is no longer supported", False),
        ("Offline mode.", False),
        ("Whatsoever", False),
    ],
)
def test_the_rules_find_what_they_should(text, bad):
    assert bool([*faults(text)]) == bad
