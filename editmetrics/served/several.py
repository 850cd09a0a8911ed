"""A server for each of an assessor's models, asked as one backend."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from typing import Any

from ..judge import Answer, JudgeError, Question
from .questions import TokenQuestion
from .server import Server


class Several:
    """The backend of several servers: each question goes to the one that its `asked_of` names."""

    batch_size = 1

    def __init__(self, servers: Mapping[str, Server], parallel: int) -> None:
        self.servers, self.parallel = dict(servers), parallel

    def check(self) -> None:
        """Check each server. Raises `JudgeUnavailableError`."""
        for server in {id(server): server for server in self.servers.values()}.values():
            server.check()

    def identity(self) -> dict[str, Any]:
        """Return the identity of each server by the name of what is asked of it."""
        return {name: server.identity() for name, server in self.servers.items()}

    def answer(self, questions: Sequence[Question], stop: threading.Event) -> list[Answer]:
        return [self._server_of(question).answer([question], stop)[0] for question in questions]

    def _server_of(self, question: Question) -> Server:
        name = question.asked_of if isinstance(question, TokenQuestion) else ""
        if name not in self.servers:
            raise JudgeError(f"no server is named for {name!r}; expected one of {', '.join(self.servers)}")
        return self.servers[name]
