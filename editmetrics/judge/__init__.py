"""Ask a chat model over HTTP (OpenAI-compatible) or on this machine, with a cache; see `docs/judge.md`.

judge = open_judge("any", endpoint="http://localhost:8000/v1")
answer = judge.ask("How sharp is it, 0 to 10? Answer with the number.", images=["cat.png"])
read_number(answer, 0, 10).value
"""

from __future__ import annotations

from .answers import Parsed, read_choice, read_json, read_number
from .asking import Judge, open_judge
from .cache import Cache
from .chat import (
    Answer,
    Backend,
    ChatModel,
    EncodedImage,
    Estimate,
    Image,
    JudgeError,
    JudgeUnavailableError,
    Message,
    Question,
)
from .claims import read_yes_no
from .transport import Encoding

__all__ = [
    "Answer",
    "Backend",
    "Cache",
    "ChatModel",
    "EncodedImage",
    "Encoding",
    "Estimate",
    "Image",
    "Judge",
    "JudgeError",
    "JudgeUnavailableError",
    "Message",
    "Parsed",
    "Question",
    "open_judge",
    "read_choice",
    "read_json",
    "read_number",
    "read_yes_no",
]
