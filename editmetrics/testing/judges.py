"""A judge that needs no chat model: a function answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import threading

    from ..judge import Answer, Question


class ScriptedJudge:
    """Answers each question with the text that `reply` returns for it.

    >>> from editmetrics.judge import Judge
    >>> Judge(ScriptedJudge(lambda question: "7")).ask("How good is it?").text
    '7'
    """

    parallel, batch_size = 2, 1

    def __init__(self, reply: Callable[[Question], str]) -> None:
        self.reply = reply

    def identity(self) -> dict[str, Any]:
        return {"judge": "scripted"}

    def answer(self, questions: Sequence[Question], stop: threading.Event) -> list[Answer]:
        from ..judge import Answer

        return [Answer(self.reply(question)) for question in questions]
