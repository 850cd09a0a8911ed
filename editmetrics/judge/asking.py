"""`Judge` asks a backend in parallel, with a cache in front of it; `open_judge` makes one."""

from __future__ import annotations

import importlib.util
import itertools
import logging
import os
import threading
from collections import abc
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import closing
from typing import Any

from ..sample import SampleError
from .cache import Cache, key_of
from .chat import Answer, Backend, ChatModel, Estimate, JudgeError, JudgeUnavailableError, Question
from .endpoint import Endpoint
from .local import Generator, Local

PATIENCE = 3
"""Smallest number of unanswered questions in a row after which no more are asked."""

logger = logging.getLogger(__name__)


def open_judge(
    model: str | None = None,
    *,
    endpoint: str | None = None,
    backbone: Generator | None = None,
    cache: bool | str | os.PathLike[str] | Cache = True,
    refresh: bool = False,
    **options: Any,
) -> Judge:
    """Open a chat model that can be asked.

    - `open_judge("gpt-5")`: OpenAI, with the key of OPENAI_API_KEY;
    - `open_judge("any", endpoint="http://localhost:8000/v1")`: the only model that your own server serves;
    - `open_judge(backbone=backbone)`: a loaded `editmetrics.mllm.Backbone`.

    `cache`: True keeps answers in `$EDITMETRICS_HOME/judge/answers.sqlite`, a path in that file, False nowhere.
    `refresh` asks everything again, and the new answers take the place of the old. `options` are those of `Endpoint`
    (temperature, max_tokens, seed, extra, guided, images, timeout, retries, parallel, key_variable) or of `Local`
    (temperature, max_tokens, seed, batch_size).

    Nothing is sent before the first question. Raises `JudgeError` for an invalid address or option, and
    `JudgeUnavailableError` for a key that is not set or a package that is not installed.
    """
    if (model is None) == (backbone is None) or (backbone is not None and endpoint is not None):
        raise JudgeError("open_judge takes the name of a model (and its endpoint), or a backbone=...; one of the two")
    wanted = ("json_repair",) if model is None else ("openai", "json_repair")
    if missing := [name for name in wanted if importlib.util.find_spec(name) is None]:
        raise JudgeUnavailableError(f"a judge needs {' and '.join(missing)}: pip install 'editmetrics[judge]'")
    backend: Backend = (
        Local(backbone, **options)
        if backbone is not None
        else Endpoint(str(model), endpoint=endpoint, **options)  # a name, as was checked above
    )
    if isinstance(cache, bool):
        return Judge(backend, Cache() if cache else None, refresh=refresh)
    return Judge(backend, cache if isinstance(cache, Cache) else Cache(cache), refresh=refresh)


def ask_and_read(
    model: ChatModel,
    questions: Sequence[Question],
    reads: Callable[[Question, Answer], bool],
    progress: Callable[[Answer], object] | None = None,
) -> list[Answer]:
    """Return the answers in order; an unreadable one from an earlier run is asked again past the cache."""
    answers = list(model.ask_all(questions, progress=progress))
    stale = [n for n, answer in enumerate(answers) if answer.cached and not reads(questions[n], answer)]
    if stale:
        again = model.refreshing().ask_all([questions[number] for number in stale])
        for number, answer in zip(stale, again, strict=True):
            answers[number] = answer if answer.ok else answers[number]
    return answers


class Judge(ChatModel):
    """A chat model that asks a backend in parallel for the answers that its cache lacks. Made by `open_judge`.

    Without a cache every question is asked anew. A backend is anything that keeps `Backend`.
    """

    def __init__(self, backend: Backend, cache: Cache | None = None, *, refresh: bool = False) -> None:
        self.backend, self.cache, self.refresh = backend, cache, refresh
        self._served: set[str] = set()
        self._under_way: set[threading.Event] = set()

    def identity(self) -> dict[str, Any]:
        """All that produces the answers, as JSON: model, endpoint, parameters, encoding of images. Never a key."""
        return self.backend.identity()

    def ask_all(
        self,
        questions: Iterable[Question],
        *,
        parallel: int | None = None,
        progress: Callable[[Answer], object] | None = None,
    ) -> Iterator[Answer]:
        """Yield the answers in the order of the questions; a missing one says why in its status.

        As `ask_each`, but an answer waits until those before it are there. `progress` is called with each answer as it
        comes. Raises `JudgeError` where no question can be answered, after the answers before the first missing one.
        """
        waiting: dict[int, Answer] = {}
        turn = 0
        with closing(self.ask_each(questions, parallel=parallel)) as answers:
            for number, answer in answers:
                if progress is not None:
                    progress(answer)
                waiting[number] = answer
                while turn in waiting:
                    yield waiting.pop(turn)
                    turn += 1

    def ask_each(
        self, questions: Iterable[Question], *, parallel: int | None = None
    ) -> abc.Generator[tuple[int, Answer], None, None]:
        """Yield each answer as soon as it arrives, with the number of its question, from 0.

        `parallel` requests are under way at once (default: the backend's). Questions are taken from their iterator as
        they are needed, and answers are kept as soon as they are there: the same call after a crash asks only what is
        missing. Who stops early waits for the requests under way, no longer. Raises `JudgeError` where no question can
        be answered, `JudgeUnavailableError` also when more questions in a row than are under way at once (and at least
        `PATIENCE`) were `unavailable`; what was under way is given first.
        """
        parallel = self.backend.parallel if parallel is None else parallel
        if parallel < 1:
            raise JudgeError(f"parallel={parallel}; expected at least 1")
        self._under_way.add(stop := threading.Event())
        running: dict[Future[list[Answer]], int] = {}
        remaining, start = iter(questions), 0
        error: JudgeError | None = None
        unanswered = 0
        pool = ThreadPoolExecutor(parallel, thread_name_prefix="judge")
        try:
            while True:
                while not stop.is_set() and len(running) < 2 * parallel:
                    if not (batch := list(itertools.islice(remaining, self._size))):
                        break
                    running[pool.submit(self._answers, batch, stop)] = start
                    start += len(batch)
                if not running:
                    break
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in sorted(done, key=running.__getitem__):
                    first = running.pop(future)
                    if future.cancelled():
                        continue
                    try:
                        answers = future.result()
                    except JudgeError as raised:
                        error = error or raised
                        continue
                    for number, answer in enumerate(answers, first):
                        if answer.status == "unavailable":
                            unanswered += 1
                        elif not answer.cached and answer.asked:  # the backend has answered, whatever it said
                            unanswered = 0
                        yield number, answer
                    if unanswered >= max(PATIENCE, parallel + 1):
                        error = error or JudgeUnavailableError(
                            f"{unanswered} questions in a row were not answered, and no more are asked; the last: "
                            f"{answers[-1].reason}"
                        )
                if error is not None:
                    stop.set()
                for future in [future for future in running if stop.is_set() and future.cancel()]:
                    del running[future]
            if error is not None:
                raise error
        finally:
            stop.set()
            self._under_way.discard(stop)
            pool.shutdown(cancel_futures=True)

    def interrupt(self) -> None:
        for stop in [*self._under_way]:
            stop.set()

    def refreshing(self) -> Judge:
        """Return this judge, asking again what the cache knows, and replacing it."""
        return Judge(self.backend, self.cache, refresh=True)

    def estimate(self, questions: Iterable[Question]) -> Estimate:
        """Count what `ask_all` would take, without asking; with a cache, equal questions count as one request.

        The images are decoded, since the cache knows them by their pixels.
        """
        total = cached = unreadable = 0
        new: dict[Any, int] = {}
        for total, question in enumerate(questions, 1):
            try:
                key = self._key(question.decoded())
            except SampleError:
                unreadable += 1
                continue
            if self._kept(key) is not None:
                cached += 1
            else:
                new[key or total] = len(question.images())
        return Estimate(total, cached, len(new), sum(new.values()), unreadable)

    @property
    def _size(self) -> int:
        return max(1, self.backend.batch_size)

    def _key(self, question: Question) -> str | None:
        return key_of(self.identity(), question) if self.cache else None

    def _kept(self, key: str | None) -> Answer | None:
        return self.cache.get(key) if self.cache and key and not self.refresh else None

    def _answers(self, batch: list[Question], stop: threading.Event) -> list[Answer]:
        """Answer a batch from the cache, else from the backend, and keep new answers."""
        answers: dict[int, Answer] = {}
        new: dict[int, tuple[str | None, Question]] = {}
        for index, question in enumerate(batch):
            try:
                decoded = question.decoded()
            except SampleError as error:
                answers[index] = Answer(None, error.status, str(error))
                continue
            key = self._key(decoded)
            kept = self._kept(key)
            if kept is not None:
                answers[index] = kept
            else:
                new[index] = key, decoded
        new_answers = self.backend.answer([question for _, question in new.values()], stop) if new else []
        for (index, (key, question)), answer in zip(new.items(), new_answers, strict=True):
            if self.cache and key and answer.ok:
                answer = self.cache.put(key, question, answer, replace=self.refresh)
            answers[index] = answer
        for answer in answers.values():
            self._note(answer.served)
        return [answers[index] for index in range(len(batch))]

    def _note(self, served: str | None) -> None:
        """Warn when answers come from several models, as they do when a provider updates one."""
        if served and served not in self._served:
            self._served.add(served)
            if len(self._served) > 1:
                logger.warning(
                    "answers come from different models: %s; refresh asks all of them again",
                    ", ".join(sorted(self._served)),
                )
