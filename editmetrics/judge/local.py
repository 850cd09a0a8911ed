"""Ask a model on this machine: any loaded vision-language model that sees images and generates text."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from ..machine import out_of_memory
from ..sample import SampleError, Status
from .chat import Answer, Image, Question, now

if TYPE_CHECKING:
    import numpy as np


class CutOff(str):
    """An answer of a `Generator` that used up its tokens before it ended: "8" may be the beginning of "85"."""


class Generator(Protocol):
    """Interface of the model, which `editmetrics.mllm.Backbone` has. `IMAGE` stands for the next image in a chat."""

    IMAGE: ClassVar[Any]

    def see(self, image: np.ndarray, among: int = 1) -> Any:
        """Prepare an image (H, W, 3), uint8; `among` is the number of images in its chat."""

    def prompt(self, chat: list[tuple[str, list[Any]]], pictures: Sequence[Any] = ()) -> Any:
        """Make a prompt of a chat, (role, texts and IMAGEs) a turn, and its pictures in order."""

    def generate(
        self,
        prompts: Sequence[Any],
        max_tokens: int = 256,
        temperature: float = 0.0,
        seed: int | Sequence[int] = 0,
        **likeliest: Any,
    ) -> list[str]:
        """Generate one text for each prompt, which may be the same object several times, each with a `seed` of its own.

        `likeliest` are `top_p` and `top_k`, where they are set. An answer that used up `max_tokens` is a `CutOff`.
        """

    def identity(self) -> dict[str, Any]:
        """Return the model, its revision and all else that changes its answers, as JSON."""


class Local:
    """The backend of a model on this machine.

    Greedy (`temperature` 0) questions are answered in batches of `batch_size`, by default 8. With a temperature each is
    answered alone, since what is drawn would otherwise depend on its neighbours; only rounds of one question that are
    in a batch are drawn together, from one reading of it. `round` is added to the seed. `top_p` and `top_k` leave only
    the likeliest tokens to be drawn, up to this probability and this number.
    """

    parallel = 1

    def __init__(
        self,
        backbone: Generator,
        *,
        temperature: float = 0.0,
        max_tokens: int = 1024,
        seed: int = 0,
        batch_size: int | None = None,
        top_p: float | None = None,
        top_k: int | None = None,
    ) -> None:
        self.backbone = backbone
        self.temperature, self.max_tokens, self.seed = temperature, max_tokens, seed
        self.batch_size = batch_size or (8 if temperature == 0 else 1)
        drawn = {"top_p": top_p, "top_k": top_k} if temperature else {}
        self.likeliest: dict[str, Any] = {name: value for name, value in drawn.items() if value is not None}
        self._turn = threading.Lock()

    def identity(self) -> dict[str, Any]:
        """Return the backbone's identity and the parameters of generation."""
        return {
            "judge": "local",
            "backbone": self._description(),
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "seed": self.seed,
            "cut_off": "told",  # answers that were kept before do not tell
            **self.likeliest,
        }

    def answer(self, questions: Sequence[Question], stop: threading.Event) -> list[Answer]:
        """Return one answer per question; a batch that fails is halved, down to the question at fault.

        What this machine's memory does not hold alone is `unavailable`: a larger machine may answer it.
        """
        model = str(self._description().get("model", "local"))
        try:
            with self._turn:
                texts = self._generate(questions)
        except Exception as error:
            if len(questions) == 1:
                status: Status = "failed"
                reason = f"{type(error).__name__}: {error}"
                if isinstance(error, SampleError):
                    status, reason = error.status, str(error)
                elif out_of_memory(error):
                    status, reason = "unavailable", f"this machine has too little memory for it: {reason}"
                return [Answer(None, status, reason, model=model, asked=now())]
        else:
            return [
                Answer(
                    str(text), model=model, served=model, asked=now(),
                    finish="length" if isinstance(text, CutOff) else None,
                )
                if text.strip()
                else Answer(None, "unparseable", "the model answered nothing", model=model, asked=now())
                for text in texts
            ]  # fmt: skip
        half = len(questions) // 2
        return self.answer(questions[:half], stop) + self.answer(questions[half:], stop)

    def _description(self) -> dict[str, Any]:
        """Describe the backbone, with the name that people know it by."""
        described: dict[str, Any] = getattr(self.backbone, "description", self.backbone.identity)()
        return described

    def _generate(self, questions: Sequence[Question]) -> list[str]:
        seen: dict[tuple[str, int], Any] = {}  # questions about one image see it once
        if self.temperature == 0:
            prompts = [self._prompt(question, seen) for question in questions]
            return self.backbone.generate(prompts, self.max_tokens, 0.0, self.seed + questions[0].round)
        texts: dict[int, str] = {}
        rounds: dict[str, list[int]] = {}
        for row, question in enumerate(questions):
            rounds.setdefault(json.dumps({**question.content(), "round": 0}), []).append(row)
        for rows in rounds.values():
            prompt = self._prompt(questions[rows[0]], seen)
            seeds = [self.seed + questions[row].round for row in rows]
            answers = self.backbone.generate(
                [prompt] * len(rows),
                self.max_tokens,
                self.temperature,
                seeds if len(rows) > 1 else seeds[0],
                **self.likeliest,
            )
            texts |= dict(zip(rows, answers, strict=True))
        return [texts[row] for row in range(len(questions))]

    def _prompt(self, question: Question, seen: dict[tuple[str, int], Any]) -> Any:
        chat: list[tuple[str, list[Any]]] = [
            (one.role, [self.backbone.IMAGE if isinstance(part, Image) else part for part in one.parts])
            for one in question.messages
        ]
        images = question.images()
        keys = [(str(image.digest()), len(images)) for image in images]
        for key, image in zip(keys, images, strict=True):
            if key not in seen:
                seen[key] = self.backbone.see(image.pixels(), among=len(images))
        return self.backbone.prompt(chat, [seen[key] for key in keys])
