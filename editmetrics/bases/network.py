"""`NetworkMetric`, the base of metrics that run a network, and `HasNetwork`, for those with another base as well."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from ..clean_room import clean_room
from ..late_checks import read_results
from ..metric import Metric, pick_device
from ..sample import EditMetricsError, Sample, Score
from ..transfer import stacked
from .as_tensors import check_fields, images_of, load_beside

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor
    from torch.nn import Module


class HasNetwork(Metric):
    """A metric with a network whose weights are entries of the weights registry.

    A subclass names the entries in `checkpoints`, builds the architecture in `network`, and uses it as `self.module`.
    This class downloads and verifies the weights, loads them strictly, and puts the network on the device in float32
    and evaluation mode. No random number is drawn from the caller's generator. Combined with another base it comes
    first: `class LPIPS(HasNetwork, FullReference)`.
    """

    concurrent: ClassVar[bool] = False  # a network uses all cores by itself, and much memory
    _module: Any = None
    _module_device: str | None = None
    _stand_in: Any = None

    @abstractmethod
    def network(self) -> Module:
        """Build the architecture on the CPU; its weights are loaded afterwards.

        `with torch.device("meta")` saves the time of random weights, where the checkpoints hold every tensor.
        """

    @abstractmethod
    def checkpoints(self) -> tuple[str, ...]:
        """Names of the entries of the weights registry that the metric is loaded from, each with one file.

        A text file, such as a vocabulary, is no part of the network: `state` gets the others, in this order.
        """

    def state(self, network: Module, *files: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the network's `state_dict` from the tensors of the checkpoints' files; by default the only file's."""
        (only,) = files
        return only

    def read_file(self, path: Path) -> dict[str, Tensor]:
        """Return the tensors of a checkpoint's file, which is verified; a subclass may know other formats."""
        from .. import weights

        return weights.load_state_dict(path)

    def network_name(self) -> str:
        """Name what `network` builds: metrics with equal names, weights and device share one network in memory."""
        return f"{type(self).__module__}.{type(self).__qualname__} {self.number_options}"

    def use(self, network: Module) -> None:
        """Run `network` in place of the published weights: a stand-in for tests."""
        self._stand_in, self._module_device = network, None

    def random_state(self) -> dict[str, Tensor]:
        """Return the `state_dict` of a network with random weights, always the same: a stand-in for tests."""
        from ..mllm.turns import seeded

        with seeded(0):
            return dict(self.network().state_dict())

    @property
    def module(self) -> Any:
        """The network on the metric's device; `load` puts it there."""
        if self._module is None:
            raise EditMetricsError(f"{self.name} has no network yet: call load() first")
        return self._module

    def load(self) -> None:
        from .. import weights
        from ..mllm.loading import shared

        self.device = device = pick_device(self.device)
        if self._module_device == device:
            return
        if self._stand_in is not None:
            self._module, self._module_device = self._stand_in.requires_grad_(False).eval().to(device), device
            return
        for name in self.checkpoints():
            weights.pull(name)
        digests = json.dumps(weights.checksums(self.checkpoints()), sort_keys=True)
        key = (self.network_name(), digests, device)
        self._module, self._module_device = shared(key, lambda: self.read_network().to(device)), device

    def read_network(self) -> Module:
        """Return the network on the CPU with its weights, which are downloaded at their first use.

        Raises `WeightsError` when the download fails, a file is damaged, or its tensors do not fit the network.
        """
        import torch

        from .. import weights

        for name in self.checkpoints():
            weights.pull(name)
        paths = [weights.path(name) for name in self.checkpoints()]
        files = [self.read_file(path) for path in paths if path.suffix != ".txt"]
        with torch.random.fork_rng(devices=[]):
            network = self.network()
        try:
            network.load_state_dict(self.state(network, *files), strict=True, assign=True)
        except (RuntimeError, KeyError, ValueError) as error:
            names = " and ".join(map(str, paths))
            verb = "does" if len(paths) == 1 else "do"
            raise weights.WeightsError(
                f"{names} {verb} not fit the network of {self.label}: {type(error).__name__}: {error}"
            ) from error
        return network.float().requires_grad_(False).eval()


class NetworkMetric(HasNetwork):
    """Base of metrics that run a network on prepared samples.

    A subclass gives `name`, `version`, `dimensions`, `checkpoints`, `network` and `forward`; and `prepare` where the
    network wants more than the edited image at its own size. This class does what `HasNetwork` does, stacks a batch on
    the device, and makes the scores.

    >>> from editmetrics import Dimension
    >>> from editmetrics.testing import offline_weights
    >>> class MeanFeature(NetworkMetric):
    ...     name, version = "mean_feature", 1
    ...     dimensions = (Dimension("mean_feature", low=0, primary=True),)
    ...     def checkpoints(self):
    ...         return ("lpips-squeezenet",)
    ...     def network(self):
    ...         from torchvision.models import squeezenet1_1
    ...         return squeezenet1_1().features
    ...     def state(self, network, file):  # the file has the classifier as well
    ...         return {name[9:]: tensor for name, tensor in file.items() if name.startswith("features.")}
    ...     def forward(self, batch):
    ...         return self.module(batch["edited"]).mean((1, 2, 3))
    >>> with offline_weights(["lpips-squeezenet"]):
    ...     MeanFeature()("docs/examples/edited/cat.jpg").ok
    True
    """

    @abstractmethod
    def forward(self, batch: dict[str, Any]) -> Tensor | dict[str, Tensor]:
        """Return one number per sample, (N,): a tensor for the only dimension, or one for each dimension by name.

        `batch` holds what `prepare` returns: tensors stacked on the device, anything else as a list. Runs without
        gradients.
        """

    host_copies: ClassVar[int | None] = 1

    def prepare(self, sample: Sample) -> dict[str, Any]:
        """Return the edited image (3, H, W), float32 in [0, 1]. A text under "note" goes to the score's details."""
        from ..images import read_image, to_tensor
        from .pixels import to_float

        return {"edited": to_float(to_tensor(read_image(sample.edited)))}

    def score_batch(self, batch: list[dict[str, Any]]) -> list[Score]:
        import torch

        with torch.inference_mode():
            result = self.forward(self.collate(batch))
            named = result if isinstance(result, dict) else {self.primary().name: result}
            columns = {name: values.tolist() for name, values in zip(named, read_results(*named.values()), strict=True)}
        return [
            self.to_score({name: values[row] for name, values in columns.items()}, item)
            for row, item in enumerate(batch)
        ]

    def to_score(self, values: dict[str, float], prepared: dict[str, Any]) -> Score:
        """Make the score of a sample from its row of what `forward` returned."""
        return Score(values, details={"note": prepared["note"]} if prepared.get("note") else {})

    def tensors(self, edited: Tensor, **others: Tensor | Sequence[str]) -> Tensor:
        """Return the primary dimension of each image of a batch, (N,), as a differentiable function of the images.

        - `edited`: (N, 3, H, W), floats in [0, 1], on any device, where the network is loaded; it gets no gradients.
        - the other fields that the metric requires, by name: images like `edited`, or N texts.

        Values outside [0, 1] and NaN are not looked for, since that would wait for the device. Sizes change by torch's
        interpolation, so that numbers differ from those of `score` by the rounding to 8 bits.

        Raises `EditMetricsError` for fields that are missing or too many, for other shapes and types, and where the
        preprocessing has no form for tensors.

        >>> import torch
        >>> from editmetrics import create_metric
        >>> from editmetrics.testing import offline_weights
        >>> images = torch.full((2, 3, 64, 48), 0.5, requires_grad=True)
        >>> with offline_weights(["pick-score"]):
        ...     rewards = create_metric("pick_score").tensors(images, prompt=["a cat", "a dog"])
        >>> rewards.sum().backward()
        >>> rewards.shape, bool(images.grad.abs().max() > 0)
        (torch.Size([2]), True)
        """
        fields = {"edited": edited, **others}
        check_fields(self, fields)
        load_beside(self, edited)
        with clean_room():
            result = self.forward(self.batch_of({**fields, **images_of(fields)}))
        return result[self.primary().name] if isinstance(result, dict) else result

    def batch_of(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return what `forward` takes, made of images (N, 3, H, W) in [0, 1] and lists of N texts, differentiably.

        A subclass with a `prepare` of its own gives its differentiable form here.
        """
        if type(self).prepare is not NetworkMetric.prepare:
            raise EditMetricsError(
                f"{self.label} has no form for tensors: its preprocessing is made for files; use score() instead"
            )
        return {"edited": fields["edited"]}

    def collate(self, batch: list[dict[str, Any]]) -> dict[str, Any]:
        """Stack the tensors of prepared samples on the device, in one copy; anything else becomes a list."""
        import torch

        columns = {name: [item[name] for item in batch] for name in batch[0]}
        tensors = {name: values for name, values in columns.items() if isinstance(values[0], torch.Tensor)}
        return columns | {name: values.contiguous() for name, values in stacked(tensors, self.device).items()}
