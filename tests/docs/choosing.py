"""The page "Which metric should I use?" from the table of tasks. `python -m tests.docs.choosing` writes it."""

from pathlib import Path

from editmetrics.choosing import TASKS
from editmetrics.listing import listed
from editmetrics.wording import command_in_lines

PAGE = Path(__file__).parents[2] / "docs" / "choosing.md"

INTRODUCTION = """# Which metric should I use?

Start from your question. `editmetrics choose` shows the same in a terminal, and finds a task by your own words
(`editmetrics choose did the background stay`) or by what you have (`--have source,edited,mask`). `editmetrics list` has
all metrics, a line each, grouped by what they need: `list WORDS` searches, `list --needs prompt` filters, and
`list --weights` shows what is downloaded.

**Use at least two metrics**: one for what should change, one for what should not. Metrics of likeness to the source are
best for a system that changes nothing ([pitfalls](footguns.md))."""


def page() -> str:
    """Return the page."""
    parts = [INTRODUCTION, "| your question | you have | metrics |\n|---|---|---|"]
    for task in TASKS:
        specs = ", ".join(f"`{pick.spec}`" for pick in task.picks) or f"`{task.command.split()[1]}`"
        parts[-1] += f"\n| [{task.question}](#{task.name}) | {', '.join(task.has)} | {specs} |"
    for task in TASKS:
        parts.append(f"## {task.question} {{ #{task.name} }}")
        if task.picks:
            rows = [f"| `{pick.spec}` | {pick.tells} | {cost(pick.spec)} |" for pick in task.picks]
            parts.append("\n".join(["| metric | what it tells | download |", "|---|---|---|", *rows]))
        parts.append("\n".join(f"    {line}" for line in command_in_lines(task.command_line())))
        parts.append(task.advice)
    return "\n\n".join(parts) + "\n"


def cost(spec: str) -> str:
    """Return the size of what a metric downloads, or whose it is."""
    name = spec.partition(":")[0]
    if "/" in name:
        return f"[{name.partition('/')[0]}](bridges.md)'s"
    words = {"-": "none", "judge": "none, asks a judge", "training": "train it"}
    return words.get(size := listed(name).cost, size)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
