"""`SuiteMetric`: the metric that a suite with judges is; it asks the suite's questions and reads their answers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..bases.judge import JudgeMetric, Verdict
from ..options import checked_options
from ..registry import parse_spec
from ..sample import FIELDS, Dimension, Sample, SampleError
from .definition import Ask, PromptChoice, PromptText, ProtocolDifference, Show, SuiteError
from .of_suite import OfSuite, chosen_model
from .prompt_files import text_of
from .rows import fields_of, selected
from .shown import FRAME, ShowEach, ShowFrames, arranged, rendered
from .table_of_suites import suite as suite_called

if TYPE_CHECKING:
    from ..judge import Answer, Image, Question


class SuiteMetric(OfSuite, JudgeMetric):
    """The numbers that a benchmark's judge gives a sample, asked and read as its published script does.

    An answer that cannot be read gives no number. `details` then has `unread`, the status by question, and
    `script_reads`, the number that the published script would have read in it.

    Options:
        suite: The suite's name.
        judged_by: The judge, by its short name in the table's headings; by default the first.
        variant: An evaluation that pinned another dated model, as 'editmetrics suite NAME' lists them.
        model: The judge's model; by default the suite's dated one.
        repository: Your copy of the official repository, for a suite whose questions are not shipped.

    Source: the suite's, as 'editmetrics suite NAME' shows it.

    >>> metric = suite_metric("gedit:judged_by=Q,endpoint=http://localhost:8000/v1,model=any")
    >>> metric.label, metric.max_tokens, [dimension.name for dimension in metric.dimensions]
    ('gedit_Q', 512, ['O', 'SC', 'PQ'])
    """

    name, version = "suite", 1
    title = "a benchmark's judge, as published"
    dimensions = (Dimension("score", primary=True),)
    reads_files = True  # some are sent byte for byte
    prompts = ()
    runtime_options = JudgeMetric.runtime_options | OfSuite.runtime_options

    def __init__(
        self,
        *,
        suite: str,
        judged_by: str = "",
        variant: str = "",
        model: str | None = None,
        repository: str | None = None,
        **shared: Any,
    ) -> None:
        protocol = suite_called(suite).judge(judged_by)
        chosen, model = model, model or chosen_model(protocol, variant, suite)
        sampling = protocol.sampling
        if protocol.local and shared.get("endpoint") is None and not chosen:
            shared["backbone"] = shared.get("backbone") or protocol.weights
        if shared.get("backbone") is None or sampling.temperature is not None:
            shared = {"temperature": sampling.temperature, **_given(shared)}
        shared = {"max_tokens": sampling.max_tokens, "seed": sampling.seed, **_given(shared)}
        if sampling.extra:
            shared["extra"] = {**sampling.extra, **(shared.get("extra") or {})}
        super().__init__(model=model, **shared)
        self.variant = variant
        words = {name for ask in protocol.asks for prompt in ask.prompts() for name in prompt.slots.values()}
        shows = [part for ask in protocol.asks for part in ask.parts if isinstance(part, Show)]
        columns = {name for name in words if name not in FIELDS and not name.startswith("=")}
        columns |= {FRAME for show in shows if isinstance(show, ShowFrames)}
        self._belong_to(suite, judged_by, repository, columns)
        used = frozenset(show.role for show in shows) | words.intersection(FIELDS)
        self.uses = used - self.definition.needs  # type: ignore[misc]
        several = (show.role for show in shows if isinstance(show, (ShowEach, ShowFrames)))
        self.several = frozenset(several)  # type: ignore[misc]

    def endpoint_options(self) -> dict[str, Any]:
        return {"limit_name": self.protocol.sampling.limit_name}

    def load(self) -> None:
        """Check that every text is there, and open the judge. Raises `SuiteError` and as `JudgeMetric.load` does."""
        for ask in self.protocol.asks:
            for prompt in ask.prompts():
                text_of(self.definition, prompt, self.repository)
        super().load()

    def questions(self, sample: Sample) -> dict[str, Question]:
        """Each image is read and encoded once, for all questions that show it alike."""
        from ..judge import Message, Question

        fields = fields_of(self.definition, sample)
        shown: dict[Any, Image] = {}
        questions: dict[str, Question] = {}
        for ask in self.protocol.asks:
            if not selected(fields, ask.when):
                continue
            parts: list[str | Image] = []
            for part in ask.parts:
                if isinstance(part, Show):
                    for caption, content in arranged(part, sample):
                        alike = part.encoding, part.size, part.most, id(content)
                        if alike not in shown:
                            shown[alike] = rendered(part, content, sample)
                        parts += [caption, shown[alike]] if caption else [shown[alike]]
                else:
                    parts.append(self._text(part, sample, fields))
            if ask.name in questions:
                raise SuiteError(f"{self.suite} asks {ask.name} twice about {sample.id}; its conditions overlap")
            message = Message("user", tuple(parts))
            if ask.system is None:
                questions[ask.name] = Question((message,))
            else:
                opening = self._text(ask.system.text, sample, fields)
                questions[ask.name] = Question((Message("system", (opening,), ask.system.listed), message))
        if not questions:
            raise SampleError(f"{self.suite} has no question about a row like this one: {fields}", "skipped")
        return questions

    def read(self, name: str, answer: Answer) -> Verdict:
        return self._ask_called(name).read(answer)

    def combine(self, values: dict[str, float]) -> dict[str, float]:
        return self.definition.derive(values)

    def more_details(self, names: Sequence[str], answers: Sequence[Answer]) -> dict[str, Any]:
        """The value of each question of the first round; of one without, its status and what the script reads."""
        read: dict[str, float] = {}
        unread: dict[str, str] = {}
        script: dict[str, float] = {}
        for name, answer in zip(names, answers, strict=False):
            ask = self._ask_called(name)
            try:
                answer.required()
                read |= ask.read(answer).values
            except SampleError as error:
                unread[name] = error.status
                script |= ask.by_script(answer.text) if answer.text else {}
        return {"read": read, "unread": unread, "script_reads": script}

    def option_differences(self) -> Iterator[ProtocolDifference]:
        from ..judge.endpoint import ANY

        judge, sampling = self.protocol, self.protocol.sampling
        asked = self.model if self.backbone is None else self.backbone
        if asked == ANY and self.judge is not None:
            asked = f"{self.judge.identity().get('model', ANY)}, the only model of the endpoint"
        if asked not in (judge.published, judge.weights if self.backbone else judge.published):
            dated = self.backbone is None and asked == judge.snapshot
            effect = "the name without a date meant this or another version" if dated else "other numbers"
            yield ProtocolDifference("the judge's model", judge.published, asked, effect)
        published = {"temperature": sampling.temperature, "max_tokens": sampling.max_tokens, "seed": sampling.seed}
        for name, value in published.items():
            if (own := getattr(self, name)) != value:
                yield ProtocolDifference(name, _sent(value), _sent(own))
        if dict(self.extra or {}) != dict(sampling.extra):
            yield ProtocolDifference("other parameters", str(dict(sampling.extra) or "none"), str(self.extra))
        if self.rounds > 1:
            yield ProtocolDifference("rounds", "asked once", f"the mean of {self.rounds} answers", "less noise")

    def _ask_called(self, name: str) -> Ask:
        return next(ask for ask in self.protocol.asks if ask.name == name)

    def _text(self, part: PromptText | PromptChoice | str, sample: Sample, fields: Mapping[str, str]) -> str:
        if isinstance(part, str):
            return part
        if isinstance(part, PromptChoice):
            value = fields.get(part.field, "")
            if value not in part.texts:
                raise SampleError(f"its {part.field} is {value!r}, for which {self.suite} has no question", "skipped")
            part = part.texts[value]
        text = text_of(self.definition, part, self.repository)
        words = {slot: _words(field, sample) for slot, field in part.slots.items() if slot in text}
        for old, new in part.rewrites.items():
            words = {slot: word.replace(old, new) for slot, word in words.items()}
        if not words:
            return text
        return re.sub("|".join(map(re.escape, words)), lambda match: words[match.group()], text)


def suite_metric(spec: str, device: str | None = None, repository: str | None = None) -> OfSuite:
    """Return the metric of a suite with judges: "gedit", or with options "gedit:judged_by=Q,endpoint=URL".

    Raises `UnknownSuiteError`, `SuiteError` for a suite without judges, and `OptionError`.
    """
    name, options = parse_spec(spec)
    if not suite_called(name).judges:
        raise SuiteError(
            f"the suite {name} asks no judge, and has no options; its metrics are in 'editmetrics suite {name}'"
        )
    if repository is not None:
        options.setdefault("repository", repository)
    if "suite" in options:
        raise SuiteError(f"{spec!r}: the option suite is the name before the colon")
    kind = suite_called(name).metric or SuiteMetric
    return kind(**checked_options(kind, {**options, "suite": name})).to(device)


def _sent(value: Any) -> str:
    return "not sent" if value is None else f"{value:g}"


def _given(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _words(field: str, sample: Sample) -> str:
    if field.startswith("="):
        return field[1:]
    value = getattr(sample, field) if field in FIELDS else sample.meta.get(field)
    if not isinstance(value, str):
        raise SampleError(f"the question requires the text {field}, which this sample does not have", "skipped")
    return value
