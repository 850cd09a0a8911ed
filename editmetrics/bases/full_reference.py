"""`FullReference`, the base of metrics that compare two images: it takes care of sizes, regions and colours.

A full-reference metric compares the edited image with the source, or with a ground truth, pixel by pixel. Write one by
subclassing `FullReference` and filling in `compare`; the numbers themselves come from a plain function of tensors at
the top of the metric's file.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge

from ..late_checks import read_results, require
from ..machine import one_thread, side_by_side
from ..metric import Metric, pick_device
from ..sample import Sample, SampleError, Score
from ..transfer import stacked
from .as_tensors import AsTensors
from .pixels import Channels, convert_channels, same_outside, stack, to_float

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

Against = Literal["source", "reference"]
Region = Literal["whole", "inside", "outside"]
Resize = Literal["none", "edited", "source"]
Border = Annotated[int, Ge(0)]


class FullReference(AsTensors, Metric):
    """Base of metrics that compare the edited image with the source, pixel by pixel.

    A subclass gives `name`, `version`, one `Dimension`, and `compare`. Options of its own go into its own `__init__`,
    which hands on the four below: `def __init__(self, *, mine: int = 1, **shared)` with `super().__init__(**shared)`.
    Set `channels` (here "rgb") as a class attribute, or make it an option, to be given luma instead (see
    `pixels.convert_channels`).

    With a region, `compare` gets its mask, and the edited image has the source's pixels outside it: whatever a metric
    does, what an edit changed outside the region has no say, and a region that is the same in both is perfect. What
    sees across the border then sees the same in both images; keep it from doing so where there is a way
    (`pixels.within_region`, `pixels.region_mean`).

    `prepare` raises `SampleError` for images of different sizes, a mask of another size, a border that leaves nothing,
    and a region that is empty (status `skipped`).

    Options:
        against: What the edited image is compared with: its source, or the reference, a ground-truth target.
        region: Which pixels count: the whole image, or those inside or outside the sample's mask.
        resize: When the sizes differ: none refuses, edited scales the edited image to the other's size, source the
            other way (Pillow's antialiased bicubic; a mask of either size to the nearest pixel).
        crop_border: Pixels cut off each side before anything else.

    >>> import numpy as np
    >>> from editmetrics import Dimension
    >>> class LargestError(FullReference):
    ...     name, version = "largest_error", 1
    ...     dimensions = (Dimension("largest_error", low=0, high=1, higher_is_better=False, primary=True),)
    ...     def compare(self, source, edited, mask):
    ...         return (source - edited).abs().amax((1, 2, 3))
    >>> black, white = np.zeros((4, 4, 3), np.uint8), np.full((4, 4, 3), 255, np.uint8)
    >>> float(LargestError()(black, white))
    1.0
    """

    needs = frozenset({"edited"})
    uses = frozenset({"source", "reference", "mask"})
    concurrent: ClassVar[bool] = True
    host_copies: ClassVar[int | None] = 1
    channels: Channels = "rgb"
    cut_on_cpu: bool = True
    """A CPU compares the pairs of a batch one by one, which is faster there. False: together, as a GPU does; so the
    conformance kit sees, where there is no GPU, what one would compute."""
    black_outside: bool = False
    """Paint pixels outside a region black and count them, as PIE-Bench does; set by the variant of that name."""

    def __init__(
        self, *, against: Against = "source", region: Region = "whole", resize: Resize = "none", crop_border: Border = 0
    ) -> None:
        self.against, self.region, self.resize, self.crop_border = against, region, resize, crop_border

    @abstractmethod
    def compare(self, source: Tensor, edited: Tensor, mask: Tensor | None) -> Tensor:
        """Return one value per pair, (N,): images (N, C, H, W) are float32 in [0, 1], a mask (N, 1, H, W) is bool."""

    def required(self) -> frozenset[str]:
        return frozenset({*self.needs, self.against} | ({"mask"} if self.region != "whole" else set()))

    def fields(self) -> frozenset[str]:
        """Return the fields that this instance's numbers depend on.

        >>> from editmetrics import create_metric
        >>> sorted(create_metric("psnr").fields()), sorted(create_metric("psnr:region=inside").fields())
        (['edited', 'source'], ['edited', 'mask', 'source'])
        """
        return self.required() | (self.uses - FullReference.uses)

    def rewards_no_change(self) -> bool:
        """Return True where the source is what an edited image is compared with.

        >>> from editmetrics import create_metric
        >>> create_metric("psnr").rewards_no_change(), create_metric("psnr:against=reference").rewards_no_change()
        (True, False)
        """
        return self.against == "source"

    @one_thread()
    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        """Return `source` and `edited` (3, H, W), uint8 or float32 in [0, 1]; for a region, `mask` (1, H, W).

        Images that are tensors on the metric's device stay there.
        """
        from ..images import read_image, read_mask, to_tensor

        both = getattr(sample, self.against), sample.edited
        if not self._on_cpu() and self.region == "whole" and (left := left_on_device(both, self.device)):
            return {name: self._inner(image.permute(1, 2, 0)).permute(2, 0, 1) for name, image in left.items()}
        images = read_image(both[0]), read_image(both[1])
        source, edited = same_size(*images, self.resize)
        prepared = {"source": to_tensor(self._inner(source)), "edited": to_tensor(self._inner(edited))}
        if self.region == "whole":
            return prepared
        marked = read_mask(sample.mask)
        if self.resize != "none" and marked.shape in [image.shape[:2] for image in images]:
            marked = _scaled_mask(marked, source.shape)
        if self.black_outside:
            region = to_tensor(self._in_region(with_border(marked), source))
            return {name: image * region for name, image in prepared.items()}
        return {**prepared, "mask": to_tensor(self._in_region(marked, source))}

    def compared_channels(self) -> Channels:
        """Return the channels that `compare` gets: `channels`, unless a variant changes them."""
        return self.channels

    def load(self) -> None:
        self.device = pick_device(self.device)

    def score_batch(self, batch: list[dict[str, Tensor]]) -> list[Score]:
        on_cpu = self._on_cpu()
        # On a CPU a large batch is slower per pair than its pairs one by one, whose temporaries stay in the cache.
        groups = [[item] for item in batch] if on_cpu and self.cut_on_cpu else [batch]
        if on_cpu and self.concurrent:  # a network uses all cores by itself
            values = side_by_side(self._values, groups)
        else:
            values = [self._values(group) for group in groups]
        return [Score({self.primary().name: value}) for of_group in values for value in of_group]

    def batch_key(self, prepared: dict[str, Tensor]) -> Hashable:
        return tuple((name, item.dtype, str(item.device), tuple(item.shape)) for name, item in prepared.items())

    def _on_cpu(self) -> bool:
        return (self.device or "cpu").partition(":")[0] == "cpu"

    def _values(self, group: list[dict[str, Tensor]]) -> list[float]:
        import torch

        with torch.inference_mode():
            values: list[float] = read_results(self._compare_group(group))[0].tolist()
        return values

    def _compare_group(self, group: list[dict[str, Tensor]]) -> Tensor:
        columns = {name: [item[name] for item in group] for name in group[0]}
        if self._on_cpu():
            together = {name: stack(items) for name, items in columns.items()}
        else:
            together = stacked(columns, self.device)
            if columns["source"][0].device.type != "cpu":
                require_unit_range(together["source"], together["edited"])
        return self._compared(to_float(together["source"]), to_float(together["edited"]), together.get("mask"))

    def _compared(self, source: Tensor, edited: Tensor, region: Tensor | None) -> Tensor:
        """Compare float images (N, 3, H, W) inside a region (N, 1, H, W), bool, in the metric's channels."""
        source, edited = (convert_channels(image, self.compared_channels()) for image in (source, edited))
        return self.compare(source, same_outside(source, edited, region), region)

    def _inner(self, image: Any) -> Any:
        """An image (H, W, ...), an array or a tensor, without its border."""
        border, (height, width) = self.crop_border, image.shape[:2]
        if min(height, width) <= 2 * border:
            raise SampleError(f"crop_border={border} leaves nothing of an image of {width} x {height} pixels")
        return image[border : height - border, border : width - border]

    def _in_region(self, marked: np.ndarray, image: np.ndarray) -> np.ndarray:
        if marked.shape != image.shape[:2]:
            raise SampleError(
                f"the mask is {_size(marked)} pixels, the images {_size(image)}; a mask has the images' size"
            )
        region = self._inner(marked if self.region == "inside" else ~marked)
        if not region.any():
            raise SampleError(f"no pixel lies {self.region} the mask", "skipped")
        return region


def left_on_device(images: Sequence[Any], device: str | None) -> dict[str, Tensor] | None:
    """Copies of two images (3, H, W) of one size, `source` and `edited`, that are tensors on `device`, a GPU, already.

    None for others, which `read_image` takes. They are uint8 or float32; nothing has looked at their values.
    """
    from ..images.read import is_tensor, warn_of_gradient

    if device in (None, "cpu") or not all(is_tensor(image) for image in images):
        return None
    import torch

    where = torch.empty(0, device=device).device  # with its number
    source, edited = images
    usual = all(image.dtype == torch.uint8 or image.is_floating_point() for image in images)
    shape = tuple(source.shape)
    sized = source.ndim == 3 and source.shape == edited.shape and shape[0] in (1, 3) and 0 not in shape
    if not (usual and sized and {source.device, edited.device} == {where}):
        return None
    for name, image in zip(("the source", "the edited image"), images, strict=True):
        warn_of_gradient(image, name)
    kept = [
        image.detach().clone() if image.dtype == torch.uint8 else image.detach().float().clone() for image in images
    ]
    return {name: image.expand(3, -1, -1) for name, image in zip(("source", "edited"), kept, strict=True)}


def require_unit_range(*images: Tensor) -> None:
    """Raise `ImageError`, with the results of the batch, for floats on a device that are not all in [0, 1]."""
    from ..images import ImageError

    for image in images:
        if image.is_floating_point():
            low, high = image.aminmax()
            require(
                (low >= 0) & (high <= 1),
                lambda: ImageError(
                    "a tensor on the device has NaN or values outside [0, 1]: map [-1, 1] with (x + 1) / 2, "
                    "[0, 255] with x / 255, and clamp what overshoots"
                ),
            )


def same_size(source: np.ndarray, edited: np.ndarray, resize: Resize) -> tuple[np.ndarray, np.ndarray]:
    """Bring two images (H, W, 3) to one size: if the sizes differ, scale one as `resize` says.

    Raises `SampleError` naming both sizes when they differ and `resize` is "none".

    >>> import numpy as np
    >>> small, large = np.zeros((4, 6, 3), np.uint8), np.zeros((8, 12, 3), np.uint8)
    >>> same_size(small, large, "edited")[1].shape
    (4, 6, 3)
    """
    if source.shape == edited.shape:
        return source, edited
    if resize == "edited":
        return source, _scaled(edited, source.shape)
    if resize == "source":
        return _scaled(source, edited.shape), edited
    raise SampleError(
        f"the source is {_size(source)} pixels, the edited image {_size(edited)}; "
        "--resize edited (in Python the option resize='edited') scales the edited image to the source's size, "
        "--resize source the other way"
    )


def with_border(marked: np.ndarray) -> np.ndarray:
    """Mark the outermost rows and columns of a mask (H, W), as PIE-Bench's script does when it reads one.

    >>> import numpy as np
    >>> with_border(np.zeros((4, 4), bool)).sum()
    np.int64(12)
    """
    import numpy as np

    return np.pad(marked[1:-1, 1:-1], 1, constant_values=True) if min(marked.shape) > 2 else np.ones_like(marked)


def _scaled(image: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    import numpy as np
    from PIL import Image

    size = (shape[1], shape[0])
    if image.dtype == np.uint8:
        return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC))
    planes = [Image.fromarray(image[..., channel]).resize(size, Image.Resampling.BICUBIC) for channel in range(3)]
    return np.stack([np.asarray(plane) for plane in planes], -1).clip(0, 1)  # bicubic overshoots at edges


def _scaled_mask(marked: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    import numpy as np
    from PIL import Image

    return np.asarray(Image.fromarray(marked).resize((shape[1], shape[0]), Image.Resampling.NEAREST))


def _size(image: np.ndarray) -> str:
    return f"{image.shape[1]} x {image.shape[0]}"
