"""`Bridge`: a library whose metrics are offered unchanged, each with the library's own number.

A bridge says which metrics there are (`offers`), which there are not and why (`not_offered`), and makes a class of each
when it is asked for. The class is a `Metric` like any other; what it computes is the library's business.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from ...machine import machine_fault
from ...metric import Metric, pick_device
from ...options import Option
from ...sample import Dimension, Sample, SampleError, Score, UnavailableError
from .surroundings import network_forbidden, quiet_and_allowed

if TYPE_CHECKING:
    from torch import Tensor

PAIR = frozenset({"source", "edited"})
SINGLE = frozenset({"edited"})
WITH_TEXT = frozenset({"edited", "prompt"})


@dataclass(frozen=True)
class Loaded:
    """A metric of the library, ready: `compute(edited, source, prompt)` gives its number; `module` holds its weights.

    Images are (1, 3, H, W), float32 in [0, 1]; `source` and `prompt` are None where the metric needs none.
    """

    compute: Callable[[Tensor, Tensor | None, str | None], Any]
    module: Any = None


@dataclass(frozen=True)
class Offer:
    """One metric of a library, as the library declares it.

    - `needs`: fields of `Sample`: `PAIR`, `SINGLE` or `WITH_TEXT`. `dimension`: its number, range and direction.
    - `load`: from the options and the device to the metric, ready; may download and may fail.
    - `options`: those of its arguments that can be written on a command line.
    - `summary`, `paper`: in a sentence; as the library cites it.
    - `weights_licence`: that of its weights, where it is known.
    """

    name: str
    needs: frozenset[str]
    dimension: Dimension
    load: Callable[[Mapping[str, Any], str], Loaded]
    options: tuple[Option, ...] = ()
    summary: str = ""
    paper: str = ""
    weights_licence: str = ""


class Bridge(ABC):
    """A library and its metrics. A subclass fills in the class attributes and the two methods.

    - `name`: before the slash, and what is imported. `package`: what pip installs. `home`: where it is documented.
    - `licence`: the library's, where its metadata does not say.
    """

    name: ClassVar[str]
    package: ClassVar[str]
    home: ClassVar[str]
    default_licence: ClassVar[str]

    @abstractmethod
    def find_offers(self) -> Mapping[str, Offer]:
        """Return the metrics that are offered, by the library's own names. May import the library."""

    @abstractmethod
    def find_not_offered(self) -> Mapping[str, str]:
        """Return the library's other metrics, and why each is not offered. May import the library."""

    @cached_property
    def offers(self) -> Mapping[str, Offer]:
        return self.find_offers()

    @cached_property
    def not_offered(self) -> Mapping[str, str]:
        return self.find_not_offered()

    @cached_property
    def version(self) -> str | None:
        """Return the installed version; None if the library is not installed. Imports nothing."""
        try:
            return importlib.metadata.version(self.package)
        except importlib.metadata.PackageNotFoundError:
            return None

    @property
    def installed(self) -> bool:
        """Whether the library is on this machine; quicker than `version`, and imports nothing."""
        return importlib.util.find_spec(self.name) is not None

    @property
    def licence(self) -> str:
        """Return the library's licence as its metadata states it."""
        if self.version is None:
            return self.default_licence
        metadata = importlib.metadata.metadata(self.package).json
        return str(metadata.get("license_expression") or metadata.get("license") or self.default_licence)

    def metric_class(self, name: str) -> type[BridgedMetric]:
        """Return the class of the offered metric `name`, always the same. Raises `KeyError` for another name."""
        if name not in self._classes:
            self._classes[name] = _class_of(self, self.offers[name])
        return self._classes[name]

    @cached_property
    def _classes(self) -> dict[str, type[BridgedMetric]]:
        return {}

    def attribute(self, name: str) -> type[BridgedMetric]:
        """Serve the `__getattr__` of the bridge's module: classes are its attributes, so that they can be pickled."""
        if name.startswith("_") or self.version is None or name not in self.offers:
            raise AttributeError(f"the bridge to {self.name} has no metric {name!r}")
        return self.metric_class(name)


class BridgedMetric(Metric):
    """A metric of another library: the library's own number for the same pixels, one image or pair a call."""

    bridge: ClassVar[Bridge]
    offer: ClassVar[Offer]
    _loaded: Loaded | None = None
    _failure: str | None = None

    def __init__(self, **options: Any) -> None:
        defaults = {option.name: option.default for option in self.option_list()}
        if unknown := options.keys() - defaults.keys():
            raise TypeError(f"{self.name} has no option {', '.join(sorted(unknown))}")
        for name, value in {**defaults, **options}.items():
            setattr(self, name, value)

    def to(self, device: str | None) -> BridgedMetric:
        if device != self.device:
            self._loaded = self._failure = None
        return super().to(device)

    def load(self) -> None:
        """Build the library's metric. `score_batch` reports a failure: it is not the fault of a sample."""
        self.device = pick_device(self.device)
        if self._loaded is not None or self._failure is not None:
            return
        try:
            with quiet_and_allowed(self.device):
                self._loaded = self.offer.load(self.options, self.device)
        except Exception as error:
            library, name = self.bridge.name, self.offer.name
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            downloads = f"{library} downloads the weights of {name} itself"
            offline = f", and {reason}" if (reason := network_forbidden()) else ""
            advice = f"; pip install {missing}" if missing else f" ({downloads}{offline})"
            self._failure = f"{library} could not load {name}: {_described(error)}{advice}"

    def identity(self) -> dict[str, Any]:
        """Add the library's version, and the checksum of the weights that it loaded."""
        self.load()
        return {
            **super().identity(),
            "library": f"{self.bridge.package} {self.bridge.version}",
            "weights": self._failure or _digest(self._loaded.module if self._loaded else None),
        }

    def rewards_no_change(self) -> bool:
        return "source" in self.needs and "prompt" not in self.needs

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return images (3, H, W) as they were read, and the prompt where it is needed."""
        from ...images import read_image, to_tensor

        images = {name: read_image(getattr(sample, name)) for name in ("source", "edited") if name in self.needs}
        sizes = {name: f"{image.shape[1]} x {image.shape[0]}" for name, image in images.items()}
        if len(set(sizes.values())) > 1:
            raise SampleError(
                f"the source is {sizes['source']} pixels, the edited image {sizes['edited']}; "
                f"{self.name} compares images of one size"
            )
        prepared: dict[str, Any] = {name: to_tensor(image) for name, image in images.items()}
        return prepared | ({"prompt": sample.prompt} if "prompt" in self.needs else {})

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        self.load()
        return [self._score(item) for item in batch]

    def _score(self, item: Mapping[str, Any]) -> Score:
        import torch

        if self._loaded is None:
            raise UnavailableError(self._failure or f"{self.name} is not loaded")
        images = {name: _batch_of_one(item[name], self.device) for name in ("edited", "source") if name in item}
        try:
            with quiet_and_allowed(self.device), torch.no_grad():
                value = self._loaded.compute(images["edited"], images.get("source"), item.get("prompt"))
            number = _number(value)
        except Exception as error:
            if machine_fault(error):
                raise
            size = " x ".join(str(side) for side in reversed(item["edited"].shape[1:]))
            return Score.unscored(
                "failed", f"{self.bridge.name} cannot score this ({size} pixels): {_described(error)}"
            )
        return Score({self.offer.dimension.name: number})


def _class_of(bridge: Bridge, offer: Offer) -> type[BridgedMetric]:
    weights = f"; its weights: {offer.weights_licence}" if offer.weights_licence else ""
    keywords = [
        inspect.Parameter(option.name, inspect.Parameter.KEYWORD_ONLY, default=option.default, annotation=option.hint)
        for option in offer.options
    ]
    summary = offer.summary or f"{offer.name} of {bridge.name}."
    return type(
        offer.name,
        (BridgedMetric,),
        {
            "__doc__": f"{summary}\n\nThe number of {bridge.package} {bridge.version} for the same pixels in [0, 1], "
            f"one image or pair a call.\nDocumented at {bridge.home}.\n",
            "__module__": type(bridge).__module__,
            "__qualname__": offer.name,
            "__signature__": inspect.Signature(keywords),
            "_option_list": offer.options,
            "bridge": bridge,
            "offer": offer,
            "name": f"{bridge.name}/{offer.name}",
            "version": 1,
            "needs": offer.needs,
            "dimensions": (offer.dimension,),
            "paper": offer.paper or f"as {bridge.name} documents it: {bridge.home}",
            "licence": f"{bridge.name}: {bridge.licence}{weights}",
            "requires": (bridge.package,),
        },
    )


def _batch_of_one(image: Tensor, device: str | None) -> Tensor:
    """Copy an image for a library: contiguous, and free to be written into."""
    image = image.unsqueeze(0).to(device)
    return image.contiguous().clone() if image.is_floating_point() else image.contiguous().float().div_(255)


def _number(value: Any) -> float:
    """Return the only number in a library's result: a float, or a tensor of any shape with one element."""
    import torch

    numbers = torch.as_tensor(value).reshape(-1)
    if len(numbers) != 1:
        raise ValueError(f"it returned {len(numbers)} numbers for one image")
    if bool(numbers.isnan()):
        raise ValueError("it returned NaN, which is not a score")
    return float(numbers)


def _digest(module: Any) -> str:
    """Hash all parameters and buffers of a torch module, by name; "none" without any."""
    import hashlib

    import torch

    state = module.state_dict() if isinstance(module, torch.nn.Module) else {}
    tensors = {name: tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor) and tensor.numel()}
    if not tensors:
        return "none"
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.reshape(-1).view(torch.uint8).numpy().tobytes())
    return f"sha256 {digest.hexdigest()}"


def _described(error: Exception) -> str:
    """Describe an error of a library in one line; by its cause, where it has no message."""
    text = " ".join(str(error).split())
    while not text and error.__cause__ is not None and isinstance(error.__cause__, Exception):
        error = error.__cause__
        text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text}" if text else f"{type(error).__name__} without a message"
