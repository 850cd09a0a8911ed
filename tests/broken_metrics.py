"""`MeanError`, a metric that keeps the contract, and a gallery of metrics that each break it in one way.

`GALLERY` maps each broken metric to the checks that must catch it, and to a piece of what they must say.
"""

from __future__ import annotations

import random
import threading
import time
from typing import Any, Literal

from editmetrics import Dimension, Metric, Sample, SampleError, Score
from editmetrics.bases.full_reference import FullReference
from editmetrics.bases.pair import PairMetric, Preference
from editmetrics.bases.pixels import region_mean, to_float
from editmetrics.sample import images_of


class MeanError(Metric):
    """Mean absolute difference of the edited image and the source, in levels of 255.

    Options:
        weight: What the difference is multiplied by.
        channel: Which channels count.
    """

    name, version = "mean_error", 1
    needs = frozenset({"source", "edited"})
    dimensions = (Dimension("mean_error", unit="levels", low=0, high=255, higher_is_better=False, primary=True),)
    paper = "A definition."
    licence = "Apache-2.0"

    def __init__(self, *, weight: float = 1.0, channel: Literal["all", "red"] = "all") -> None:
        self.weight = weight
        self.channel = channel

    def prepare(self, sample: Sample) -> Any:
        import numpy as np

        from editmetrics.images import read_image

        source, edited = (np.asarray(read_image(image)) for image in (sample.source, sample.edited))
        if source.shape != edited.shape:
            raise SampleError(f"the source is {source.shape}, the edited image {edited.shape}")
        return {"source": source, "edited": edited}

    def score_batch(self, batch: list[Any]) -> list[Score]:
        return [Score({"mean_error": self.value(item)}) for item in batch]

    def value(self, item: Any) -> float:
        import numpy as np

        channels = slice(0, 1 if self.channel == "red" else 3)
        levels = [image[..., channels] for image in (item["source"], item["edited"])]
        levels = [image.astype(np.float32) * (1 if image.dtype == np.uint8 else 255) for image in levels]
        return min(self.weight, 1.0) * float(np.abs(levels[0] - levels[1]).mean())


# ---------------------------------------------------------------------- declarations


class HeavyConstructor(MeanError):
    __doc__ = MeanError.__doc__

    def __init__(self, *, weight: float = 1.0, channel: Literal["all", "red"] = "all") -> None:
        import PIL.Image  # noqa: F401

        super().__init__(weight=weight, channel=channel)


class SlowConstructor(MeanError):
    __doc__ = MeanError.__doc__

    def __init__(self, *, weight: float = 1.0, channel: Literal["all", "red"] = "all") -> None:
        end = time.process_time() + 0.06
        while time.process_time() < end:
            pass
        super().__init__(weight=weight, channel=channel)


class PositionalOption(MeanError):
    __doc__ = MeanError.__doc__

    def __init__(self, factor: float = 1.0, *, weight: float = 1.0, channel: Literal["all", "red"] = "all") -> None:
        super().__init__(weight=weight, channel=channel)


class AlteredOption(MeanError):
    __doc__ = MeanError.__doc__

    def __init__(self, *, weight: float = 1.0, channel: Literal["all", "red"] = "all") -> None:
        super().__init__(weight=max(weight, 1.0), channel=channel)


class ForgottenOption(MeanError):
    __doc__ = MeanError.__doc__

    def __init__(self, *, weight: float = 1.0, channel: Literal["all", "red"] = "all") -> None:
        self.weight = weight


class SwallowedOption(MeanError):
    __doc__ = MeanError.__doc__

    def __init__(self, *, weight: float = 1.0, channel: Literal["all", "red"] = "all", **ignored: Any) -> None:
        super().__init__(weight=weight, channel=channel)


class UndescribedOption(MeanError):
    __doc__ = MeanError.__doc__

    def __init__(self, *, weight: float = 1.0, channel: Literal["all", "red"] = "all", border: int = 0) -> None:
        super().__init__(weight=weight, channel=channel)
        self.border = border


class NoDocstring(MeanError):
    pass


class NoPaper(MeanError):
    __doc__ = MeanError.__doc__
    paper = ""


class NoLicence(MeanError):
    __doc__ = MeanError.__doc__
    licence = " "


class BadName(MeanError):
    __doc__ = MeanError.__doc__
    name = "Mean-Error"


class BadVersion(MeanError):
    __doc__ = MeanError.__doc__
    version = 0


class JudgesNoEditedImage(MeanError):
    __doc__ = MeanError.__doc__
    needs = frozenset({"source"})


class UnknownField(MeanError):
    __doc__ = MeanError.__doc__
    uses = frozenset({"depth"})


class TwoPrimaries(MeanError):
    __doc__ = MeanError.__doc__
    dimensions = (*MeanError.dimensions, Dimension("other", low=0, high=1, primary=True, description="another"))

    def score_batch(self, batch: list[Any]) -> list[Score]:
        return [Score({**score, "other": 0.0}) for score in super().score_batch(batch)]


class RequiresUndeclared(MeanError):
    __doc__ = MeanError.__doc__

    def required(self) -> frozenset[str]:
        return self.needs if self.channel == "all" else frozenset({*self.needs, "mask"})


# ---------------------------------------------------------------------- options


class UnreadableLabel(MeanError):
    __doc__ = MeanError.__doc__

    @property
    def label(self) -> str:
        return super().label.replace("=", "~")


class ForgetfulIdentity(MeanError):
    __doc__ = MeanError.__doc__

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "options": {"weight": self.weight}}


class UnstableIdentity(MeanError):
    __doc__ = MeanError.__doc__

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "files": hash("weights")}


class IdentityIsNoJson(MeanError):
    __doc__ = MeanError.__doc__

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "fields": self.needs}


class ForgetsItsWeights(MeanError):
    __doc__ = MeanError.__doc__

    def load(self) -> None:
        from editmetrics import weights

        self.size = weights.path("lpips-alexnet").stat().st_size


class CallsACountRuntime(MeanError):
    __doc__ = MeanError.__doc__
    runtime_options = frozenset({"weight"})

    def identity(self) -> dict[str, Any]:
        return {**super().identity(), "options": {"channel": self.channel}, "scale": self.weight}


class NotPicklable(MeanError):
    __doc__ = MeanError.__doc__

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object")


class LosesOptions(MeanError):
    __doc__ = MeanError.__doc__

    def __reduce__(self) -> Any:
        return type(self), ()


# ---------------------------------------------------------------------- numbers


class NotANumber(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        return float("nan")


class OutOfRange(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        return -1.0 - super().value(item)


class UndeclaredDimension(MeanError):
    __doc__ = MeanError.__doc__

    def score_batch(self, batch: list[Any]) -> list[Score]:
        return [Score({**score, "peak": 1.0}) for score in super().score_batch(batch)]


class LosesScores(MeanError):
    __doc__ = MeanError.__doc__

    def score_batch(self, batch: list[Any]) -> list[Score]:
        return super().score_batch(batch)[1:]


class ReturnsFloats(MeanError):
    __doc__ = MeanError.__doc__

    def score_batch(self, batch: list[Any]) -> list[Any]:
        return [self.value(item) for item in batch]


class DetailsAreNoJson(MeanError):
    __doc__ = MeanError.__doc__

    def score_batch(self, batch: list[Any]) -> list[Score]:
        return [Score(dict(score), details={"image": batch[0]["edited"]}) for score in super().score_batch(batch)]


class NaNInDetails(MeanError):
    __doc__ = MeanError.__doc__

    def score_batch(self, batch: list[Any]) -> list[Score]:
        return [Score(dict(score), details={"mass": float("nan")}) for score in super().score_batch(batch)]


class NaNInUncertainty(MeanError):
    __doc__ = MeanError.__doc__

    def score_batch(self, batch: list[Any]) -> list[Score]:
        scores = super().score_batch(batch)
        return [Score(dict(score), uncertainty={"mean_error": float("nan")}) for score in scores]


class ExplainsInNumbers(MeanError):
    __doc__ = MeanError.__doc__

    def score_batch(self, batch: list[Any]) -> list[Score]:
        numbers: Any = 5
        return [Score(dict(score), explanation=numbers) for score in super().score_batch(batch)]


class WrongDirection(MeanError):
    __doc__ = MeanError.__doc__
    dimensions = (Dimension("mean_error", unit="levels", low=0, high=255, primary=True),)


class Insensitive(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        return 0.0


class NeverPerfect(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        return 0.5 + 0.5 * super().value(item)


class BestIsNotIdentical(MeanError):
    __doc__ = MeanError.__doc__
    dimensions = (Dimension("mean_error", unit="levels", higher_is_better=False, primary=True),)

    def value(self, item: Any) -> float:
        return super().value(item) or 99.0


# ---------------------------------------------------------------------- invariance


class BatchMean(MeanError):
    __doc__ = MeanError.__doc__

    def score_batch(self, batch: list[Any]) -> list[Score]:
        values = [self.value(item) for item in batch]
        return [Score({"mean_error": 0.9 * value + 0.1 * sum(values) / len(values)}) for value in values]


class DriftsFromCallToCall(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        self.calls = getattr(self, "calls", 0) + 1
        return super().value(item) * 0.999**self.calls


class AveragesInCompare(FullReference):
    """Mean absolute difference of the edited image and the source, in levels of 255."""

    name, version = "averages_in_compare", 1
    dimensions = (Dimension("averages_in_compare", low=0, high=255, higher_is_better=False, primary=True),)
    paper = "A definition."
    licence = "Apache-2.0"

    def compare(self, source: Any, edited: Any, mask: Any) -> Any:
        return 255 * region_mean((source - edited).abs(), mask).mean().expand(len(source))


class MixesDevices(AveragesInCompare):
    __doc__ = AveragesInCompare.__doc__
    name = "mixes_devices"

    def compare(self, source: Any, edited: Any, mask: Any) -> Any:
        import torch

        weights = torch.tensor([1.0, 1.0, 1.0]).reshape(3, 1, 1)  # on the CPU, wherever the images are
        return 255 * region_mean(weights * (source - edited).abs(), mask)


class WaitsForEachPair(AveragesInCompare):
    __doc__ = AveragesInCompare.__doc__
    name = "waits_for_each_pair"

    def compare(self, source: Any, edited: Any, mask: Any) -> Any:
        import torch

        means = [float((one - other).abs().mean()) for one, other in zip(source, edited, strict=True)]
        return 255 * torch.tensor(means, device=source.device)


class ReadsTwice(AveragesInCompare):
    __doc__ = AveragesInCompare.__doc__
    name = "reads_twice"

    def compare(self, source: Any, edited: Any, mask: Any) -> Any:
        means = region_mean((source - edited).abs(), mask)
        return 255 * means if bool((means >= 0).all()) else means


class CopiesAConstant(AveragesInCompare):
    __doc__ = AveragesInCompare.__doc__
    name = "copies_a_constant"

    def compare(self, source: Any, edited: Any, mask: Any) -> Any:
        return region_mean((source - edited).abs(), mask) * source.new_tensor([255.0])


class SeedsEveryDevice(AveragesInCompare):
    __doc__ = AveragesInCompare.__doc__
    name = "seeds_every_device"

    def load(self) -> None:
        import torch

        super().load()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)

    def compare(self, source: Any, edited: Any, mask: Any) -> Any:
        return 255 * region_mean((source - edited).abs(), mask)


class StaysWhereItWasLoaded(SeedsEveryDevice):
    __doc__ = AveragesInCompare.__doc__
    name = "stays_where_it_was_loaded"

    def load(self) -> None:
        super(SeedsEveryDevice, self).load()
        if not hasattr(self, "where"):
            self.where = self.device

    def score_batch(self, batch: list[Any]) -> list[Score]:
        self.device, device = self.where, self.device
        try:
            return super().score_batch(batch)
        finally:
            self.device = device


class AlwaysOnTheCPU(SeedsEveryDevice):
    __doc__ = AveragesInCompare.__doc__
    name = "always_on_the_cpu"

    def load(self) -> None:
        """Do nothing."""

    def score_batch(self, batch: list[Any]) -> list[Score]:
        return [Score({self.primary().name: float(self.compare(*images, None))}) for images in map(self.pair, batch)]

    def pair(self, item: dict[str, Any]) -> list[Any]:
        return [to_float(item[name])[None] for name in ("source", "edited")]


class ComputesInBatchKey(MeanError):
    __doc__ = MeanError.__doc__

    def batch_key(self, prepared: Any) -> Any:
        import torch

        prepared["factor"] = float(torch.tensor(1 - 2**-10))  # bfloat16 has eight bits of mantissa: 1
        return super().batch_key({name: prepared[name] for name in ("source", "edited")})

    def value(self, item: Any) -> float:
        return super().value(item) * item.get("factor", 1 - 2**-10)


class WrongOrder(MeanError):
    __doc__ = MeanError.__doc__

    def score_batch(self, batch: list[Any]) -> list[Score]:
        return super().score_batch(batch)[::-1]


class PadsToTheLargest(MeanError):
    __doc__ = MeanError.__doc__

    def batch_key(self, prepared: Any) -> None:
        return None

    def score_batch(self, batch: list[Any]) -> list[Score]:
        largest = max(item["source"].size for item in batch)
        return [Score({"mean_error": self.value(item) * item["source"].size / largest}) for item in batch]


class AnotherEachTime(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        import numpy as np

        return super().value(item) * (1 + 0.01 * np.random.default_rng().random())


class AnotherEachLoad(MeanError):
    __doc__ = MeanError.__doc__

    def load(self) -> None:
        import numpy as np

        if not hasattr(self, "factor"):
            self.factor = 1 - 0.5 * np.random.default_rng().random()  # two are hardly ever alike

    def value(self, item: Any) -> float:
        return super().value(item) * self.factor


class ReadsUndeclared(MeanError):
    __doc__ = MeanError.__doc__

    def prepare(self, sample: Sample) -> Any:
        prepared = super().prepare(sample)
        if sample.prompt and "cloud" in sample.prompt:
            prepared["source"] = prepared["source"][::-1]
        return prepared


class WritesIntoItsInput(MeanError):
    __doc__ = MeanError.__doc__

    def prepare(self, sample: Sample) -> Any:
        if getattr(getattr(sample.edited, "flags", None), "writeable", False):  # else what an engine shares
            sample.edited[:8] = 0
        return super().prepare(sample)


class NeedsWriteableArrays(MeanError):
    __doc__ = MeanError.__doc__

    def prepare(self, sample: Sample) -> Any:
        prepared = super().prepare(sample)
        prepared["edited"][:1] = prepared["edited"][:1].copy()
        return prepared


class KeepsTheSample(MeanError):
    __doc__ = MeanError.__doc__
    concurrent = True
    second = threading.Event()

    def value(self, item: Any) -> float:
        if getattr(self, "item", None) is not None:
            self.second.set()  # another thread is in the middle of its sample
        self.item = item
        if threading.current_thread() is not threading.main_thread():
            self.second.wait(0.2)
        value = super().value(self.item)
        self.item = None
        return value


class DrawsFromTheGlobalGenerator(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        random.random()
        return super().value(item)


class SeedsTorch(MeanError):
    __doc__ = MeanError.__doc__

    def load(self) -> None:
        import torch

        torch.manual_seed(0)


class SeedsNumpy(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        import numpy as np

        np.random.seed(0)
        return super().value(item)


class Prints(MeanError):
    __doc__ = MeanError.__doc__

    def load(self) -> None:
        print("Setting up MeanError")


class ChangesThreads(MeanError):
    __doc__ = MeanError.__doc__

    def load(self) -> None:
        import torch

        torch.set_num_threads(torch.get_num_threads() + 1)


class DisablesGradients(MeanError):
    __doc__ = MeanError.__doc__

    def load(self) -> None:
        import torch

        torch.set_grad_enabled(False)


# ---------------------------------------------------------------------- inputs and failures


class IgnoresExif(MeanError):
    __doc__ = MeanError.__doc__

    def prepare(self, sample: Sample) -> Any:
        from dataclasses import replace
        from pathlib import Path

        import numpy as np
        from PIL import Image

        if isinstance(sample.edited, Path):
            stored = Image.open(sample.edited)
            if stored.format == "JPEG" and stored.mode == "RGB":
                sample = replace(sample, edited=np.asarray(stored))
        return super().prepare(sample)


class MistakesTensors(MeanError):
    __doc__ = MeanError.__doc__

    def prepare(self, sample: Sample) -> Any:
        from dataclasses import replace

        if hasattr(sample.edited, "is_floating_point") and sample.edited.is_floating_point():
            sample = replace(sample, edited=sample.edited / 255)
        return super().prepare(sample)


class AssumesASource(MeanError):
    __doc__ = MeanError.__doc__

    def check_fields(self, sample: Sample) -> None:
        pass

    def prepare(self, sample: Sample) -> Any:
        from dataclasses import replace

        return super().prepare(replace(sample, source=sample.source if sample.has("source") else sample.edited))


class ScoresTheFirst(MeanError):
    __doc__ = MeanError.__doc__

    def check_fields(self, sample: Sample) -> None:
        from dataclasses import replace

        super().check_fields(replace(sample, source=images_of(sample.source)[:1]))

    def prepare(self, sample: Sample) -> Any:
        from dataclasses import replace

        return super().prepare(replace(sample, source=images_of(sample.source)[0]))


class RefusesASecond(MeanError):
    __doc__ = MeanError.__doc__
    several = frozenset({"source"})


class InventsScores(MeanError):
    __doc__ = MeanError.__doc__

    def prepare(self, sample: Sample) -> Any:
        import numpy as np

        try:
            return super().prepare(sample)
        except SampleError:
            return {name: np.zeros((1, 1, 3), np.uint8) for name in ("source", "edited")}


class NamelessFailure(MeanError):
    __doc__ = MeanError.__doc__

    def prepare(self, sample: Sample) -> Any:
        try:
            return super().prepare(sample)
        except SampleError:
            raise SampleError("something went wrong") from None


class CrashesOnSmall(MeanError):
    __doc__ = MeanError.__doc__

    def prepare(self, sample: Sample) -> Any:
        prepared = super().prepare(sample)
        if prepared["source"].shape[0] < 11:
            raise RuntimeError("Kernel size can't be greater than actual input size")
        return prepared


class DividesByBlack(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        return super().value(item) * (float(item["source"].mean()) / float(item["source"].mean()))


class BelowRangeOnWhite(MeanError):
    __doc__ = MeanError.__doc__

    def value(self, item: Any) -> float:
        return super().value(item) - (item["source"].min() == 255)


class BelievesOneOrder(PairMetric):
    """Preference between two edits, -1 to 1, by the order in which they come."""

    name, version = "one_order", 1
    paper, licence = "none", "Apache-2.0"

    def prepare_order(self, sample: Sample) -> Any:
        from editmetrics.images import read_image

        return [read_image(image) for image in (sample.source, sample.edited, sample.rival)]

    def prefer(self, batch: list[Any]) -> list[Preference]:
        return [Preference(1.0), Preference(-1.0)] * (len(batch) // 2)


GALLERY: dict[type[Metric], tuple[set[str], str]] = {
    BelievesOneOrder: ({"exchanged_edits"}, "with its edits exchanged a win is a win; expected loss"),
    HeavyConstructor: ({"light_import"}, "PIL"),
    SlowConstructor: ({"constructor"}, "leave work to load()"),
    PositionalOption: ({"constructor"}, "factor"),
    AlteredOption: ({"constructor", "identity"}, "(weight=0.5).weight is 1.0"),
    SwallowedOption: ({"constructor"}, "accepts an unknown option"),
    ForgottenOption: ({"constructor"}, "no attribute 'channel'"),
    UndescribedOption: ({"documentation"}, "option border is not described"),
    NoDocstring: ({"documentation"}, "the docstring of NoDocstring"),
    NoPaper: ({"documentation"}, "paper is empty"),
    NoLicence: ({"documentation"}, "licence is empty"),
    BadName: ({"declaration"}, "'Mean-Error'"),
    BadVersion: ({"declaration"}, "version is 0"),
    JudgesNoEditedImage: ({"declaration", "undeclared_fields"}, "lacks 'edited'"),
    UnknownField: ({"declaration"}, "depth"),
    TwoPrimaries: ({"declaration"}, "exactly one dimension must be primary"),
    RequiresUndeclared: ({"declaration"}, "requires mask"),
    UnreadableLabel: ({"options"}, "cannot be read back"),
    ForgetfulIdentity: ({"identity"}, "['options']"),
    UnstableIdentity: ({"identity"}, "in another process"),
    IdentityIsNoJson: ({"identity"}, "not JSON"),
    ForgetsItsWeights: ({"identity"}, "lpips-alexnet, which checkpoints() does not name"),
    CallsACountRuntime: ({"identity"}, "runtime_options declares that it changes no number"),
    NotPicklable: ({"pickling"}, "cannot be pickled"),
    LosesOptions: ({"pickling"}, "comes back from pickling"),
    NotANumber: ({"scores"}, "NaN"),
    OutOfRange: ({"scores"}, "outside its declared range"),
    UndeclaredDimension: ({"scores"}, "peak"),
    LosesScores: ({"scores"}, "2 scores for 3 samples"),
    ReturnsFloats: ({"scores"}, "float in its list"),
    DetailsAreNoJson: ({"scores"}, "details are not JSON"),
    NaNInDetails: ({"scores"}, "details are not JSON"),
    NaNInUncertainty: ({"scores"}, "the uncertainty nan of mean_error"),
    ExplainsInNumbers: ({"scores"}, "an explanation of type int"),
    WrongDirection: ({"ladders", "optimum", "flat_images"}, "higher is better is declared"),
    Insensitive: ({"ladders"}, "expected it to get worse"),
    NeverPerfect: ({"optimum", "flat_images"}, "its declared best"),
    BestIsNotIdentical: ({"optimum"}, "degraded ones better"),
    BatchMean: ({"batch_invariance", "engine_invariance", "flat_images"}, "nothing may be averaged"),
    AveragesInCompare: ({"batch_invariance", "second_device"}, "in one batch as on a GPU"),
    MixesDevices: ({"second_device"}, "make and move every tensor of score_batch with device=self.device"),
    WaitsForEachPair: ({"synchronisations"}, "read the results once with .tolist()"),
    ReadsTwice: ({"synchronisations"}, "host_reads declares 1"),
    CopiesAConstant: ({"synchronisations"}, "host_copies declares 1"),
    SeedsEveryDevice: ({"second_device"}, "draw from a torch.Generator"),
    StaysWhereItWasLoaded: ({"second_device"}, "forget in unload() what load() has made"),
    AlwaysOnTheCPU: ({"second_device"}, "nothing is computed there"),
    ComputesInBatchKey: ({"surroundings"}, "run in a clean room"),
    WrongOrder: ({"batch_invariance", "engine_invariance", "flat_images"}, "in one batch"),
    PadsToTheLargest: ({"batch_invariance", "engine_invariance", "sizes"}, "among larger images"),
    AnotherEachTime: ({"determinism"}, "at the second call"),
    AnotherEachLoad: ({"determinism", "pickling"}, "from another instance"),
    DriftsFromCallToCall: ({"determinism"}, "at the second call"),
    ReadsUndeclared: ({"undeclared_fields"}, "with another prompt"),
    WritesIntoItsInput: (
        {"inputs_unmodified", "engine_invariance", "input_kinds"},  # which hand over arrays that cannot be written to
        "it writes into the array of",
    ),
    NeedsWriteableArrays: ({"scores"}, "read-only"),
    KeepsTheSample: ({"threads"}, "keep nothing of a sample"),
    DrawsFromTheGlobalGenerator: ({"side_effects"}, "random state of random"),
    SeedsTorch: ({"side_effects"}, "random state of torch"),
    SeedsNumpy: ({"side_effects"}, "random state of numpy"),
    Prints: ({"side_effects"}, "Setting up MeanError"),
    ChangesThreads: ({"side_effects"}, "torch.get_num_threads()"),
    DisablesGradients: ({"side_effects"}, "torch.is_grad_enabled()"),
    IgnoresExif: ({"image_modes"}, "EXIF-rotated"),
    MistakesTensors: ({"input_kinds"}, "a float tensor"),
    AssumesASource: ({"missing_fields", "several_images"}, "without source, a call returned"),
    ScoresTheFirst: ({"several_images"}, "with two images in source, Metric.score gives Score("),
    RefusesASecond: ({"several_images"}, "which it declares in several"),
    InventsScores: ({"corrupt_file"}, "expected status 'failed'"),
    NamelessFailure: ({"corrupt_file"}, "the file's name"),
    CrashesOnSmall: ({"sizes"}, "Kernel size"),
    BelowRangeOnWhite: ({"flat_images"}, "white and white: mean_error returned mean_error = -1"),
    DividesByBlack: ({"flat_images"}, "black and black"),
}
