"""A metric of two images as a differentiable function of tensors: a loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..clean_room import clean_room
from ..sample import EditMetricsError
from .pixels import check_shapes

if TYPE_CHECKING:
    from torch import Tensor


TEXTS = frozenset({"prompt", "source_prompt"})
"""Fields of a sample that are texts."""


class AsTensors:
    """The differentiable form of a `FullReference` metric."""

    def tensors(self: Any, source: Tensor, edited: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the metric of each pair of a batch, (N,), in its unit, as a differentiable function of the images.

        - `source`, `edited`: (N, C, H, W) of 1 or 3 channels, floats in [0, 1], on one device and of one size.
        - `mask`: (N, 1, H, W), bool, for `region=inside` and `outside`, and for no other.

        The options count as in `score`, of equal images with equal numbers; `resize` never applies. Values outside
        [0, 1] and NaN are not looked for, since that would wait for the device. A network is loaded on the images'
        device; it gets no gradients.

        Raises `SampleError` for shapes that do not fit together and for a border that leaves nothing,
        `EditMetricsError` for a mask that is missing or too much, for other types and devices, and for the variant
        `pie_bench`.

        >>> import torch
        >>> from editmetrics import create_metric
        >>> source = torch.zeros(2, 3, 8, 8)
        >>> edited = torch.full_like(source, 0.5, requires_grad=True)
        >>> loss = create_metric("mse").tensors(source, edited).mean()
        >>> loss.backward()
        >>> round(loss.item(), 4), edited.grad.abs().max() > 0
        (0.25, tensor(True))
        """
        import torch

        images = (source, edited)
        if not all(isinstance(image, torch.Tensor) and image.is_floating_point() for image in images):
            raise EditMetricsError("tensors takes floats in [0, 1], (N, C, H, W); divide uint8 images by 255")
        if source.device != edited.device:
            raise EditMetricsError(f"the source is on {source.device} and the edited image on {edited.device}")
        if (self.region == "whole") != (mask is None):
            wanted = "no mask" if mask is not None else "a mask (N, 1, H, W)"
            raise EditMetricsError(f"{self.label} takes {wanted}: its region is {self.region!r}")
        if self.black_outside:
            raise EditMetricsError(f"{self.label} paints pixels black outside the mask, and has no form for tensors")
        check_shapes(source, edited, mask)
        if source.shape[1] not in (1, 3):
            raise EditMetricsError(f"images have {source.shape[1]} channels; expected 1 or 3")
        load_beside(self, source)
        with clean_room():
            before, after = (self._cut(image.float()).expand(-1, 3, -1, -1) for image in images)
            region = None if mask is None else self._cut(mask > 0 if self.region == "inside" else mask <= 0)
            values: Tensor = self._compared(before, after, region)
        return values

    def _cut(self: Any, image: Tensor) -> Tensor:
        inner: Tensor = self._inner(image.permute(2, 3, 0, 1)).permute(2, 3, 0, 1)
        return inner


def load_beside(metric: Any, image: Tensor) -> None:
    """Load what `metric` computes with on the device of `image`. Raises `EditMetricsError` if it is on another."""
    if metric.device is None:
        metric.to(str(image.device))
    metric.load()
    network = getattr(metric, "module", None)
    if network is None:
        return
    where = next(network.parameters()).device
    if where != image.device:
        raise EditMetricsError(
            f"the network of {metric.label} is on {where} and the images are on {image.device}; "
            f"call metric.to({str(image.device)!r}) first"
        )


def check_fields(metric: Any, fields: Mapping[str, Any]) -> None:
    """Raise `EditMetricsError` unless `fields` are those that `metric` requires: images (N, 3, H, W), N texts each."""
    import torch

    required = metric.required()
    if missing := sorted(required - fields.keys()):
        raise EditMetricsError(f"{metric.label} requires {', '.join(missing)}; pass tensors(edited, {missing[0]}=...)")
    if unknown := sorted(fields.keys() - required):
        raise EditMetricsError(f"{metric.label} does not look at {', '.join(unknown)}; its fields: {sorted(required)}")
    edited = fields["edited"]
    for name, value in fields.items():
        if name in TEXTS:
            if isinstance(value, str) or not all(isinstance(text, str) for text in value) or len(value) != len(edited):
                raise EditMetricsError(f"{name} is not a list of {len(edited)} texts, one for each image")
        elif not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.ndim != 4:
            raise EditMetricsError(f"{name}: tensors takes floats in [0, 1], (N, 3, H, W); divide uint8 images by 255")
        elif value.shape[1] != 3 or len(value) != len(edited) or value.device != edited.device:
            raise EditMetricsError(
                f"{name} is {tuple(value.shape)} on {value.device}; "
                f"expected ({len(edited)}, 3, H, W) on {edited.device}"
            )


def images_of(fields: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the images among `fields`, in float32."""
    return {name: value.float() for name, value in fields.items() if name not in TEXTS}
