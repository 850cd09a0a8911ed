"""`NoReference`, the base of formulas over the edited image alone."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from ..machine import side_by_side
from ..metric import Metric
from ..sample import EditMetricsError, Sample, SampleError, Score
from .full_reference import Border

if TYPE_CHECKING:
    import numpy as np


class ParametersError(EditMetricsError, ValueError):
    """A file of parameters does not hold what the metric reads from it."""


class NoReference(Metric):
    """Base of metrics that compute a formula over the edited image alone: no source, no network.

    They compute in float64 on the CPU, an image on each core: their published values come from sums whose order and
    precision matter, and they choose from tables, so that they have no gradient.

    A subclass gives `name`, `version`, one `Dimension`, `measure`, and `smallest`, the least height and width. What it
    computes with besides are arrays in a file: of an entry of the weights registry, which `published` names, or the
    file that the option `parameters` names; `parameter_shapes` says which arrays.

    Options:
        crop_border: Pixels cut off each side before anything else.

    >>> from editmetrics import Dimension
    >>> class Brightness(NoReference):
    ...     name, version = "brightness", 1
    ...     dimensions = (Dimension("brightness", low=0, high=255, primary=True),)
    ...     def measure(self, image):
    ...         return float(image.mean())
    >>> import numpy as np
    >>> float(Brightness()(np.full((4, 4, 3), 7, np.uint8)))
    7.0
    """

    needs = frozenset({"edited"})
    concurrent: ClassVar[bool] = True
    smallest: ClassVar[tuple[int, int]] = (1, 1)
    parameters: str | None = None

    def __init__(self, *, crop_border: Border = 0) -> None:
        self.crop_border = crop_border
        self._arrays: dict[str, np.ndarray] = {}

    @abstractmethod
    def measure(self, image: np.ndarray) -> float:
        """Return the value of an image (H, W, 3) of whole numbers of 0 to 255, float64."""

    def published(self) -> str | None:
        """Return the entry of the weights registry that this instance computes with; None without one."""
        return None

    def parameter_shapes(self, arrays: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
        """Return the shapes of the arrays that the metric computes with, by name, where `arrays` leave a size open."""
        return {}

    def check_parameters(self, arrays: Mapping[str, np.ndarray], file: Path) -> None:
        """Raise `ParametersError` unless `arrays`, from `file`, are finite and those that the metric computes with."""
        import numpy as np

        expected = self.parameter_shapes(arrays)
        if (shapes := {name: array.shape for name, array in sorted(arrays.items())}) != expected:
            raise ParametersError(f"{file} holds {shapes}; expected {expected}")
        if bad := [name for name, array in arrays.items() if not np.isfinite(array).all()]:
            raise ParametersError(f"{file}: {bad[0]} holds NaN or an infinite number; expected finite numbers")

    def checkpoints(self) -> tuple[str, ...]:
        name = None if self.parameters else self.published()
        return () if name is None else (name,)

    def identity(self) -> dict[str, Any]:
        if not self.parameters:
            return super().identity()
        from .. import weights

        file = Path(self.parameters)
        return {**super().identity(), "parameters": weights.sha256(file) if file.is_file() else "file not found"}

    def load(self) -> None:
        if self._arrays or not (self.parameters or self.checkpoints()):
            return
        import numpy as np

        from .. import weights

        if self.parameters:
            file = Path(self.parameters)
            arrays = _read(file)
        else:
            (name,) = self.checkpoints()
            weights.pull(name)
            files = [weights.path(name, each.path) for each in weights.checkpoint(name).files]
            file, arrays = files[0], self.read_published(files)
        self.check_parameters(arrays, file)
        self._arrays = {name: array.astype(np.float64) for name, array in arrays.items()}

    def read_published(self, files: Sequence[Path]) -> dict[str, np.ndarray]:
        """Read the parameters from the files of the entry that `published` names, in their order."""
        (file,) = files
        return _read(file)

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters by name; `load` reads them."""
        if not self._arrays:
            raise EditMetricsError(f"{self.name} has no parameters yet: call load() first")
        return self._arrays

    def prepare(self, sample: Sample) -> dict[str, np.ndarray]:
        """Return the edited image without its border, (H, W, 3), whole numbers of 0 to 255 in float64.

        Pixels of more than 8 bits are rounded to 8, which is what the authors' code reads.
        """
        import numpy as np

        from ..images import eight_bits, read_image

        image, border = read_image(sample.edited), self.crop_border
        (height, width), (least_height, least_width) = image.shape[:2], self.smallest
        if height - 2 * border < least_height or width - 2 * border < least_width:
            cut = f" once {border} are cut off each side" if border else ""
            raise SampleError(
                f"{self.name} needs an image of at least {least_width} x {least_height} pixels{cut}; "
                f"this one is {width} x {height}"
            )
        return {"edited": eight_bits(image[border : height - border, border : width - border]).astype(np.float64)}

    def score_batch(self, batch: list[dict[str, np.ndarray]]) -> list[Score]:
        values = side_by_side(self.measure, [item["edited"] for item in batch])
        return [Score({self.primary().name: value}) for value in values]


def _read(file: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    if not file.is_file():
        raise ParametersError(f"the file of parameters {file} does not exist; expected a .safetensors file")
    try:
        arrays: dict[str, np.ndarray] = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ParametersError(f"{file} cannot be read as parameters (.safetensors): {error}") from error
    return arrays
