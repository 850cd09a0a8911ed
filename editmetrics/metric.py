"""The contract that every metric keeps, built-in or third-party: `Metric`.

The engine, the command line and the conformance kit know a metric through nothing but this class.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import replace
from functools import wraps
from typing import Any, ClassVar, TypeVar

from .clean_room import in_clean_room
from .late_checks import checked_late
from .machine import check_device_name, free_device_memory, require_device, why_not
from .machine import pick_device as pick_device
from .options import Option, options_of, spec_text
from .sample import FIELDS, IMAGE_FIELDS, Dimension, Sample, SampleError, Score, UnavailableError, UnusableText
from .sample import problem_of as problem_of
from .wording import plural

M = TypeVar("M", bound="Metric")


class Metric(ABC):
    """Gives one or more numbers to a sample. To write one, fill in the attributes, `prepare` and `score_batch`.

    Class attributes:

    - `name`, `version`: the name it is created by; the version rises whenever any number changes.
    - `needs`: fields of `Sample` it cannot do without. `uses`: fields it honours when an option asks for them.
    - `title`: what it is, in up to 40 characters, for lists; by default the beginning of the docstring.
    - `several`: those of `source` and `reference` that may be several images, a tuple; else such a sample is `skipped`.
    - `columns`: other columns of a manifest (keys of `Sample.meta`) that its numbers depend on where they are there.
    - `dimensions`: the numbers it gives, exactly one of them primary, and that one first. On an instance it holds what
      the options make of them, see `active_dimensions`.
    - `paper`, `licence`: where the method comes from; under what terms its code and weights may be used.
    - `requires`: packages beyond the core that it imports, as pip names, for the advice in the error message.
    - `runtime_options`: options that change no number (how many requests run at once, a cache, the name of a variable
      that holds a key). They stand in neither the identity nor the label.
    - `reads_files`: in a run, `prepare` gets images that are in files as their bytes, to send them as they are.
    - `concurrent`: on a CPU, `score_batch` may run in several threads at once, each with its own single sample. True
      for pure functions of pixels, where that is faster than batches; False for anything that keeps state.
    - `of_sets`: the images of its samples are sets, and a sample is a system (`bases.set_metric.SetMetric`).
    - `host_reads`: how often `score_batch` waits for results of the device (a GPU), whatever the size of the batch;
      None where that depends on the length of a text that a model writes.
    - `host_copies`: how often it copies to the device, whatever the size of the batch; None where nobody has counted.

    `__init__` takes keywords only, stores each under its own name and does no work. Option types are read from its
    annotations (`Literal`, `int`, `Annotated[int, annotated_types.Ge(0)]`, ...), their descriptions from the `Options:`
    section of the class docstring; `**shared`, handed to `super().__init__`, stands for the options of a base class.
    The module that defines a metric imports no torch at its top: listing stays fast.

    `load`, `prepare` and `score_batch` run in a clean room (`editmetrics.clean_room`): autocast, torch's default dtype
    and device, TF32 and Pillow's leniency are as they should be, whatever the caller has set.

    >>> from editmetrics import create_metric
    >>> mse = create_metric("mse")
    >>> float(mse("docs/examples/source/cat.jpg", "docs/examples/source/cat.jpg"))
    0.0
    """

    name: ClassVar[str]
    version: ClassVar[int]
    needs: ClassVar[frozenset[str]] = frozenset({"edited"})
    uses: ClassVar[frozenset[str]] = frozenset()
    title: ClassVar[str] = ""
    several: ClassVar[frozenset[str]] = frozenset()
    columns: ClassVar[frozenset[str]] = frozenset()
    dimensions: ClassVar[tuple[Dimension, ...]]
    paper: ClassVar[str] = ""
    licence: ClassVar[str] = ""
    requires: ClassVar[tuple[str, ...]] = ()
    runtime_options: ClassVar[frozenset[str]] = frozenset()
    reads_files: ClassVar[bool] = False
    concurrent: ClassVar[bool] = False
    of_sets: ClassVar[bool] = False
    host_reads: ClassVar[int | None] = 1
    host_copies: ClassVar[int | None] = None

    device: str | None = None
    """Where it computes: "cpu", "cuda", "cuda:1", ...; None until `to` or `load` settles it."""
    streams: bool = False
    """Whether it waits for another machine: samples then go to it as they come (`scoring.streams`), not in batches."""
    retried: frozenset[str] = frozenset()
    """Statuses that the run under way tries again (`--retry`), for a metric that keeps answers of earlier runs."""
    _loaded_on: str | None = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name in ("load", "prepare", "score_batch"):
            if name in cls.__dict__:
                method = cls.__dict__[name]
                around = {"load": _on_a_device_that_is_here, "score_batch": checked_late}.get(name)
                setattr(cls, name, in_clean_room(around(method) if around else method))
        if isinstance(declared := cls.__dict__.get("dimensions"), tuple):
            setattr(cls, "dimensions", _Dimensions(declared))  # noqa: B010 - for mypy it stays the tuple that it gives

    # ------------------------------------------------------------------ what a metric author writes

    @abstractmethod
    def prepare(self, sample: Sample) -> Any:
        """One sample as `score_batch` wants it: decoded, cropped, tokenised, on the CPU; pure.

        The only preprocessing there is, also in training. Raises `SampleError` (or any other error) for a sample that
        cannot be scored; that costs this sample alone. `UnavailableError` says that this machine cannot.
        """

    @abstractmethod
    def score_batch(self, batch: list[Any]) -> list[Score]:
        """The scores of prepared samples, in their order. All of a batch share `batch_key`."""

    def load(self) -> None:  # noqa: B027 - a metric without weights has nothing to do here
        """Get ready to score: read weights, move them to `device`. May be called again, and then does nothing."""

    def unload(self) -> None:  # noqa: B027 - a metric that keeps nothing on a device has nothing to forget
        """Forget what `load` made on a device; `to` calls this before another `load` makes it on another device."""

    def required(self) -> frozenset[str]:
        """The fields that this instance needs: `needs`, and what its options add (a mask, say)."""
        return frozenset(self.needs)

    def fields(self) -> frozenset[str]:
        """The fields of a sample that this instance's numbers depend on, where they are there.

        A score of an earlier run is used again while their content is the same.
        """
        return frozenset(self.required() | self.uses)

    def rewards_no_change(self) -> bool:
        """Whether this instance measures how little changed, so that an edit that does nothing scores best.

        Tables, reports and `info` then say so beside the numbers. Changes no number.
        """
        return False

    def checkpoints(self) -> tuple[str, ...]:
        """The entries of the weights registry that this instance loads; empty for a metric without weights.

        Their checksums stand in the identity of every number; the engine adds them.
        """
        return ()

    def hub_model(self) -> str | None:
        """The model of the hub that this instance downloads besides `checkpoints()`, by its id; None without one."""
        return None

    def active_dimensions(self) -> tuple[Dimension, ...]:
        """The dimensions of this instance: those that the class declares, unless its options or weights select some or
        set their range.

        Called once, when `metric.dimensions` is first read; an override starts from `type(self).dimensions`.
        """
        return type(self).dimensions

    def identity(self) -> dict[str, Any]:
        """All that produces this metric's numbers, as JSON: two metrics with equal identities give equal scores.

        Learned metrics add what they were trained to, their backbone and revision, prompts and preprocessing. The
        engine adds what no author should have to remember: the checksums of `checkpoints()`, the version of a
        plugin's package, and how images are read.
        """
        return {
            "metric": self.name,
            "version": self.version,
            "package": type(self).__module__.partition(".")[0],
            "options": self.number_options,
        }

    def batch_key(self, prepared: Any) -> Hashable:
        """Prepared samples with equal keys may share a batch; by default, those whose arrays have equal shapes."""
        return _shapes(prepared)

    # ------------------------------------------------------------------ what its users call

    def __call__(self, *images: Any, **fields: Any) -> Score | Any:
        """The score of one sample: `metric(source, edited, prompt=...)`, `metric(edited)` or `metric(Sample(...))`.

        Images are paths, bytes, PIL images, arrays (H, W, 3) uint8 or tensors (3, H, W) in [0, 1]; the other fields of
        `Sample` go by keyword. Raises what is wrong with the sample.

        A batch gives a list of scores, as `score` does, which raises nothing for single samples: tensors (N, 3, H, W),
        arrays (N, H, W, 3), lists of images and of prompts (`batches.samples_of_batch`), or a list of `Sample`s.
        """
        sample = self._sample(images, fields)
        if isinstance(sample, list):
            return self.score(sample)
        self.check_fields(sample)
        self.load()
        (score,) = self.checked(self.score_batch([self.prepare(sample)]), 1)
        return score

    def score(self, samples: Iterable[Sample], batch_size: int = 16) -> list[Score]:
        """The scores of many samples, in their order; what cannot be scored has a status and a reason."""
        self.load()
        scores: list[Score | None] = []
        groups: dict[Hashable, list[tuple[int, Any]]] = {}
        for index, sample in enumerate(samples):
            prepared, key = self.prepare_or_why_not(sample)
            scores.append(prepared if isinstance(prepared, Score) else None)
            if isinstance(prepared, Score):
                continue
            group = groups.setdefault(key, [])
            group.append((index, prepared))
            if len(group) == batch_size:
                self._fill(scores, group)
        for group in groups.values():
            self._fill(scores, group)
        return [score for score in scores if score is not None]

    def to(self: M, device: str | None) -> M:
        """Compute on `device`; None picks the first GPU, else the CPU (EDITMETRICS_DEVICE overrides it).

        A metric that is loaded on another device forgets what it has there (`unload`), and loads anew when it is used.
        Raises `DeviceError` for a name that torch does not know; whether the device is here is seen in `load`.
        """
        check_device_name(device)
        if self._loaded_on is not None and (device or pick_device()) != self._loaded_on:
            self.unload()
            self._loaded_on = None
        self.device = device
        return self

    @property
    def options(self) -> dict[str, Any]:
        """The value of each option."""
        return {option.name: getattr(self, option.name) for option in self.option_list()}

    @property
    def number_options(self) -> dict[str, Any]:
        """The value of each option that a number depends on: all but `runtime_options`."""
        return {name: value for name, value in self.options.items() if name not in self.runtime_options}

    alias: str | None = None
    """A name that its user chose for its columns; no part of its identity."""

    @property
    def label(self) -> str:
        """The column of a table: the name with options that are not the default, `psnr:crop_border=4`, or the alias."""
        if self.alias is not None:
            return self.alias
        defaults = {option.name: option.default for option in self.option_list()}
        changed = {name: value for name, value in self.number_options.items() if value != defaults[name]}
        options = ",".join(f"{name}={spec_text(value)}" for name, value in changed.items())
        return f"{self.name}:{options}" if options else self.name

    @classmethod
    def option_list(cls) -> tuple[Option, ...]:
        """The options, read from the keywords of `__init__` and the docstrings.

        An `__init__` with `**shared`, which it hands to `super().__init__`, has the options of the base class, too.
        """
        if "_option_list" not in cls.__dict__:
            cls._option_list = options_of(cls)
        return cls._option_list

    _option_list: ClassVar[tuple[Option, ...]]

    def primary(self) -> Dimension:
        """The dimension that `float(score)` gives; its range may belong to the options, and so to the instance."""
        return next(dimension for dimension in self.dimensions if dimension.primary)

    # ------------------------------------------------------------------ what the engine calls

    def check_fields(self, sample: Sample) -> None:
        """Raise `SampleError` for a needed field that is missing (`skipped`) or unusable, or several images for one."""
        needed = [name for name in FIELDS if name in self.required()]
        for name in needed:
            if isinstance(text := getattr(sample, name), UnusableText):
                raise SampleError(text.reason)
        if missing := [name for name in needed if not sample.has(name)]:
            fields = " and ".join(missing)
            raise SampleError(f"{self.label} requires {fields}, which this sample does not have", "skipped")
        for name in IMAGE_FIELDS:
            images = getattr(sample, name)
            if isinstance(images, tuple) and name in self.fields() - self.several:
                raise SampleError(f"{self.label} takes one {name} image; this sample has {len(images)}", "skipped")

    def prepare_or_why_not(self, sample: Sample) -> tuple[Any, Hashable]:
        """`prepare(sample)` with its `batch_key`; if it fails, the unscored `Score` with the reason, and None."""
        try:
            self.check_fields(sample)
            prepared = self.prepare(sample)
            key = self.batch_key(prepared)
            hash(key)
            return prepared, key
        except (Exception, SystemExit) as error:
            return why_not(error), None

    def score_or_why_not(self, batch: Sequence[Any]) -> list[Score]:
        """`score_batch(batch)`; when it fails, each half again, down to the sample that is at fault or does not fit."""
        batch = list(batch)
        try:
            return self.checked(self.score_batch(batch), len(batch))
        except (Exception, SystemExit) as error:
            why: BaseException = error
        free_device_memory()  # outside the except block: its traceback keeps the failed batch's tensors alive
        if len(batch) == 1 or isinstance(why, UnavailableError):
            return [why_not(why) for _ in batch]
        del why
        half = len(batch) // 2
        return self.score_or_why_not(batch[:half]) + self.score_or_why_not(batch[half:])

    def checked(self, scores: Iterable[Score], count: int) -> list[Score]:
        """The scores that keep the contract, with failed ones in the place of others.

        A score keeps it with every declared dimension inside its range, an uncertainty that is finite, an explanation
        that is text, and details that JSON can hold.
        """
        checked = list(scores)
        if len(checked) != count:
            raise RuntimeError(
                f"{self.name}.score_batch returned {plural(len(checked), 'score')} for {plural(count, 'sample')}"
            )
        for index, score in enumerate(checked):
            if problem := self.problem_of(score):
                checked[index] = Score.unscored("failed", problem)
        return checked

    def problem_of(self, score: Any) -> str | None:
        """How `score` breaks the contract, in words; None where it keeps it."""
        return problem_of(score, self.name, self.dimensions)

    # ------------------------------------------------------------------ inside

    def _fill(self, scores: list[Score | None], group: list[tuple[int, Any]]) -> None:
        if group:
            for (index, _), score in zip(group, self.score_or_why_not([item for _, item in group]), strict=True):
                scores[index] = score
            group.clear()

    def _sample(self, images: tuple[Any, ...], fields: dict[str, Any]) -> Sample | list[Sample]:
        """The sample that a call describes, or those of a batch."""
        from .batches import is_batch, named_fields, samples_of_batch

        first = images[0] if len(images) == 1 else None
        if isinstance(first, Sample):
            return replace(first, **fields)
        if isinstance(first, (list, tuple)) and first and all(isinstance(one, Sample) for one in first):
            return [replace(one, **fields) for one in first]
        if len(images) == 1 and "source" in self.required() and "source" not in fields and "edited" not in fields:
            raise TypeError(f"{self.name} compares two images: {self.name}(source, edited)")
        values = named_fields(self.name, images, fields)
        return (
            samples_of_batch(values)
            if is_batch(values, self.several)
            else Sample(**{"id": "sample", "edited": None, **values})
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.options, self.device)  # loaded weights do not travel

    def __repr__(self) -> str:
        options = "".join(f", {name}={value!r}" for name, value in self.options.items())
        return f"<metric {self.name}{options}>"


class _Dimensions:
    """`dimensions` of a metric: on the class what it declares, on an instance its `active_dimensions`."""

    def __init__(self, declared: tuple[Dimension, ...]) -> None:
        self.declared = declared

    def __get__(self, metric: Metric | None, owner: type[Metric]) -> tuple[Dimension, ...]:
        if metric is None:
            return self.declared
        active: tuple[Dimension, ...] = metric.__dict__.setdefault("dimensions", metric.active_dimensions())
        return active


def _rebuild(cls: type[M], options: dict[str, Any], device: str | None) -> M:
    return cls(**options).to(device)


def _on_a_device_that_is_here(load: Any) -> Any:
    """`load`, by one thread at a time, after a look whether the device that was asked for is there."""

    @wraps(load)
    def checked(self: Metric) -> Any:
        with self.__dict__.setdefault("_loading", threading.RLock()):
            if self.device is not None:
                require_device(self.device)
            result = load(self)
            self._loaded_on = self.device
            return result

    return checked


def _shapes(value: Any) -> Hashable:
    if hasattr(value, "shape"):
        return tuple(value.shape)
    if isinstance(value, dict):
        return tuple((key, _shapes(item)) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_shapes(item) for item in value)
    return None
