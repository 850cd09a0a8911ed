"""A metric whose module breaks the law of light imports; kept apart from the gallery, whose module must be light."""

import PIL.Image  # noqa: F401

from tests.broken_metrics import MeanError


class HeavyModule(MeanError):
    __doc__ = MeanError.__doc__
