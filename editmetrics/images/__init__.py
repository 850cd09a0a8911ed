"""Images from files, memory and tensors to RGB pixels.

`read` takes anything that stands for an image, `masks` reads the edited region, `decoding` turns a file into
pixels, `opening` opens them strictly with Pillow, `damage` finds what Pillow overlooks, `profiles` converts colours,
`kinds` tells kinds of files apart, `stand_ins` are for images that are read later or never.
"""

from .decoding import decoder
from .kinds import SUFFIXES, image_name, unreadable_kind
from .masks import read_mask
from .opening import ImageError
from .profiles import Profile
from .read import colour_profile, eight_bits, is_url, read_bytes, read_image, to_tensor
from .stand_ins import Unreadable

__all__ = [
    "SUFFIXES",
    "ImageError",
    "Profile",
    "Unreadable",
    "colour_profile",
    "decoder",
    "eight_bits",
    "image_name",
    "is_url",
    "read_bytes",
    "read_image",
    "read_mask",
    "to_tensor",
    "unreadable_kind",
]
