"""A metric on a vision-language model: the options that choose the model, and how it is loaded."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from annotated_types import Ge

from ..metric import Metric
from ..mllm.turns import while_loading
from ..sample import EditMetricsError

if TYPE_CHECKING:
    from ..mllm.backbone import Backbone
    from ..mllm.prompt_writer import PromptWriter


LOCATED = ("weights", "backbone")
"""Options that say where something is; what it is, its checksum says."""


class LoadError(EditMetricsError):
    """A metric cannot be loaded, and why."""


class BackboneMetric(Metric):
    """A metric whose scores are read of a vision-language model; one that is trained is a `LearnedMetric` as well.

    A subclass says which one it starts from: `BACKBONE`, a hub id, and `IMAGE_TOKENS`, the most tokens of an image.

    Options:
        backbone: Hub id or folder of the backbone; by default the one that the weights were trained on.
        revision: Branch, tag or commit of the backbone on the hub.
        image_tokens: The most tokens that one image may take; by default as the weights were trained.
        dtype: Of the backbone: auto is bfloat16 on a GPU and float32 elsewhere.
        attention: The attention implementation of transformers.
    """

    BACKBONE: ClassVar[str]
    IMAGE_TOKENS: ClassVar[int]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Let no two threads run a `load` at once, since adapters are put on a backbone that metrics share; and let
        none end as a traceback."""
        super().__init_subclass__(**kwargs)
        if "load" in cls.__dict__:
            cls.load = while_loading(_said_plainly(cls.__dict__["load"]))  # type: ignore[method-assign,arg-type]

    def __init__(
        self,
        *,
        backbone: str | None = None,
        revision: str | None = None,
        image_tokens: Annotated[int, Ge(4)] | None = None,
        dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto",
        attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa",
    ) -> None:
        self.backbone = backbone
        self.revision = revision
        self.image_tokens = image_tokens
        self.dtype = dtype
        self.attention = attention

    def identity(self) -> dict[str, Any]:
        """Identity of any metric, with the checksums of weights and backbone in place of the paths of their folders."""
        identity = super().identity()
        options = {name: without_folders(self.name, value) if name in LOCATED else value
                   for name, value in identity["options"].items()}  # fmt: skip
        return {**identity, "options": options}

    def hub_model(self) -> str | None:
        return on_the_hub(self.backbone or self.BACKBONE)

    def load_backbone(
        self,
        model: str | None = None,
        revision: str | None = None,
        image_tokens: int | None = None,
        layers: int | None = None,
        dtype: str | None = None,
        own: bool = False,
    ) -> Backbone:
        """The backbone that the options name; what they leave open is as given here, or the metric's own default.

        `layers` loads so many layers of the language model and leaves the others on disk. `dtype` goes before the
        option, and with `own` no other metric shares the backbone: both are for training all of its weights.
        A `revision` is that of `model`: it is left out for another backbone, and for a folder, which has none.
        """
        from ..mllm.backbone import Backbone

        name, revision, most = self._chosen(model, revision, image_tokens)
        return Backbone.load(
            name,
            revision=revision,
            device=self.device,
            dtype=dtype or (None if self.dtype == "auto" else self.dtype),
            attention=self.attention,
            image_tokens=most,
            layers=layers,
            own=own,
        )

    def prompt_writer(
        self, model: str | None = None, revision: str | None = None, image_tokens: int | None = None
    ) -> PromptWriter:
        """The writer of the prompts of the backbone that `load_backbone` loads, without its weights."""
        from ..mllm.prompt_writer import PromptWriter

        return PromptWriter.from_files(*self._chosen(model, revision, image_tokens))

    def _chosen(self, model: str | None, revision: str | None, image_tokens: int | None) -> tuple[str, str | None, int]:
        from ..weights import registered

        if self.backbone not in (None, model) or model is None or Path(model).is_dir() or model in registered():
            revision = None
        most = self.image_tokens or image_tokens or self.IMAGE_TOKENS
        return self.backbone or model or self.BACKBONE, self.revision or revision, most


def on_the_hub(model: str | None) -> str | None:
    """`model` where it is owner/name; None for a folder or an entry of the weights registry."""
    from ..checkpoints import is_registered

    return model if model and "/" in model and not is_registered(model) and not Path(model).is_dir() else None


def _said_plainly(load: Callable[[BackboneMetric], None]) -> Callable[[BackboneMetric], None]:
    """`load`, where what damaged weights make Python raise is an error in words."""

    @functools.wraps(load)
    def loaded(metric: BackboneMetric) -> None:
        try:
            load(metric)
        except EditMetricsError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise LoadError(
                f"{metric.label} cannot be loaded ({type(error).__name__}: {error}); its weights are damaged, or of "
                "another version of editmetrics"
            ) from error
        except OSError as error:
            raise LoadError(f"{metric.label} cannot be loaded: {error}") from error

    return loaded


def without_folders(metric: str, value: Any) -> Any:
    """The value of an option with "a folder" or "a file" for each name that is one; several are separated by ";"."""
    if not isinstance(value, str):
        return value
    from ..weights import registered

    known = registered()
    return ";".join(
        ("a folder" if Path(name).expanduser().is_dir() else "a file")
        if name not in known and f"{metric}.{name}" not in known and Path(name).expanduser().exists()
        else name
        for name in value.split(";")
    )
