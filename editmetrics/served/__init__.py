"""An assessor's network behind a vLLM or SGLang server: what is asked of it, and the checks that it is that network.

    questions.py    a question of whose answer the next tokens' probabilities are read
    server.py       what both servers share: a guided reading, one position after the other, and the checks of a start
    vllm.py, sglang.py    the requests and the replies of each
    probe.py        a fixed question with known probabilities, which tells one model from another
    reading.py      log-probabilities -> what the read-outs of `editmetrics.mllm` take
    several.py      a server for each of an assessor's models
    export.py       those models as folders, with their probes

`docs/vllm.md` has the commands that start a server, and what its versions are known to do wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .server import Server

SERVERS = ("vllm", "sglang")
"""The values of the option `backend` that name a server's program."""


def open_server(program: str, model: str, *, probe: str | None = None, **options: Any) -> Server:
    """Return the backend of a server that runs `program` and serves `model`; nothing is sent before `Server.check`.

    `probe`: the file that `editmetrics export` wrote for the model. `options`: those of `editmetrics.judge.Endpoint`.
    Raises `JudgeError` for an invalid option, and for a file that is not a probe.
    """
    from ..judge import JudgeError
    from .probe import read_probe
    from .sglang import SGLang
    from .vllm import VLLM

    known = None if probe is None else read_probe(probe)
    if program not in SERVERS:
        raise JudgeError(f"unknown server {program!r}; expected one of {', '.join(SERVERS)}")
    return (VLLM if program == "vllm" else SGLang)(model, probe=known, **options)


def each_of(option: str, value: str | None, names: Sequence[str]) -> list[str | None]:
    """Return the value of an option for each of several models: one for all, or one each, separated by ";".

    Raises `JudgeError` for another number of them, and for an empty one.

    >>> each_of("endpoint", "http://a/v1;http://b/v1", ["quality", "fidelity"])
    ['http://a/v1', 'http://b/v1']
    >>> each_of("probe", None, ["quality", "fidelity"])
    [None, None]
    """
    from ..judge import JudgeError

    values: list[str | None] = [None] if value is None else [part.strip() for part in value.split(";")]
    if "" in values:
        raise JudgeError(f"{option}={value!r} has an empty part; expected a value on each side of every ;")
    if len(values) == 1:
        return values * len(names)
    if len(values) != len(names):
        raise JudgeError(
            f"{option} names {len(values)}; expected one for all, or one for each of {', '.join(names)} in this order"
        )
    return values
