"""JSON bodies of requests, as programs in other languages send them."""

import base64
from pathlib import Path

from editmetrics.sample import IMAGE_FIELDS, images_of


def json_of(sample):
    """The JSON object of a sample whose images are files or their bytes."""
    fields = {"id": sample.id}
    for name in ("source", "edited", "mask", "reference", "prompt"):
        value = getattr(sample, name)
        if value is not None and name in IMAGE_FIELDS:
            images = [{"base64": base64.b64encode(content(image)).decode()} for image in images_of(value)]
            value = images if len(images) > 1 else images[0]
        if value is not None:
            fields[name] = value
    return fields


def content(image):
    return image.read_bytes() if isinstance(image, Path) else image
