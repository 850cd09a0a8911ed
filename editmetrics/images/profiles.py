"""Colour profiles (ICC): what they say of a pair of images, and how their colours become sRGB.

8-bit images are converted by Little CMS. Pillow hands it no 16-bit pixels, so for these the arithmetic of profiles that
consist of a matrix and curves (those of cameras, screens and working spaces) is written out here, in float.
"""

from __future__ import annotations

import functools
import itertools
import struct
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from PIL import Image, ImageCms

Profile = Literal["ignore", "convert"]
"""`ignore`: numbers are those of the file. `convert`: colours become sRGB by the profile, where there is one."""

_ALIKE = 2
"""Profiles whose colours differ by no more levels of 255 are the same: one is the other's rounding or its rewriting."""

_SRGB_TO_XYZ = np.array(  # relative to D50, as profiles store it (Bradford; B. Lindbloom's tables)
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)


class ProfileError(ValueError):
    """A colour profile cannot be used; the message says why."""


def conversion() -> str:
    """How profiles are converted, for the identity of a number."""
    from PIL import features

    lcms = features.version("littlecms2")
    return f"colour profiles converted to sRGB (lcms {lcms}, relative colorimetric, black point compensated)"


def converted(image: Image.Image, data: bytes | None) -> Image.Image:
    """An 8-bit image with its colours in sRGB by the profile `data`, as "RGB" or "RGBA"; as it is without a profile.

    The intent is relative colorimetric with black point compensation: colours that sRGB has stay what they are, white
    becomes white and black black. A profile of RGB also serves greyscale and palettes, which are RGB too.
    Raises `ProfileError` for a profile that is damaged or of another kind of colours.
    """
    if data is None:
        return image
    profile = _opened(data)
    space = profile.profile.xcolor_space.strip()
    transparent = image.has_transparency_data
    if space == "RGB" and image.mode not in ("CMYK", "LAB"):
        image, result = image.convert("RGBA" if transparent else "RGB"), "RGBA" if transparent else "RGB"
    elif space == "GRAY" and image.mode in ("1", "L", "LA", "La"):
        alpha = image.convert("RGBA").getchannel("A") if transparent else None
        image = _grey_transformed(image.convert("L"), profile)
        if alpha is not None:
            image.putalpha(alpha)
        return image
    elif space == "CMYK" and image.mode == "CMYK":
        result = "RGB"
    else:
        raise ProfileError(f"its colour profile is of {space} colours, and its pixels are {image.mode}")
    return _transformed(image, profile, result)


def _grey_transformed(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    """A grey image as RGB, each of its 256 levels computed: Little CMS would interpolate, up to 10 levels off."""
    from PIL import Image

    ramp = Image.frombytes("L", (256, 1), bytes(range(256)))
    levels = _transformed(ramp, profile, "RGB", exact=True)
    return Image.merge("RGB", [image.point(list(band.tobytes())) for band in levels.split()])


def _transformed(
    image: Image.Image, profile: ImageCms.ImageCmsProfile, result: str, *, exact: bool = False
) -> Image.Image:
    from PIL import ImageCms

    flags = ImageCms.Flags.BLACKPOINTCOMPENSATION
    if exact:
        flags |= ImageCms.Flags.NOOPTIMIZE
    elif image.mode == "CMYK":
        flags |= ImageCms.Flags.HIGHRESPRECALC

    try:
        transform = ImageCms.buildTransform(
            profile,
            ImageCms.createProfile("sRGB"),
            image.mode,
            result,
            renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
            flags=flags,
        )
        return transform.apply(image)
    except ImageCms.PyCMSError as error:
        raise ProfileError(f"its colour profile cannot be converted: {error}") from error


def _opened(data: bytes) -> ImageCms.ImageCmsProfile:
    from PIL import ImageCms

    try:
        return ImageCms.ImageCmsProfile(BytesIO(data))
    except (OSError, ImageCms.PyCMSError) as error:
        raise ProfileError(f"its colour profile is damaged: {error}") from error


# ---------------------------------------------------------------------- 16 bits


def converted_floats(pixels: np.ndarray, data: bytes | None) -> np.ndarray:
    """Pixels (H, W, 3) in [0, 1] with their colours in sRGB, by the profile `data`; unchanged without one.

    Decoded by the profile's curves, multiplied by its matrix and that of sRGB, clipped, encoded by sRGB's curve: what
    Little CMS computes for such profiles. Raises `ProfileError` for damaged profiles and those that are tables.
    """
    if data is None:
        return pixels
    _opened(data)
    space, tags = data[16:20].strip(), _tags(data)
    try:
        if space == b"GRAY":
            linear = _curve(tags[b"kTRC"])(pixels.astype(np.float64))
        elif space == b"RGB" and not tags.keys() & {b"A2B0", b"A2B1", b"A2B2"}:
            curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
            linear = np.stack([curve(pixels[..., i].astype(np.float64)) for i, curve in enumerate(curves)], axis=-1)
            to_xyz = np.stack([_xyz(tags[name]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")], axis=1)
            linear = linear @ (np.linalg.inv(_SRGB_TO_XYZ) @ to_xyz).T
        else:
            raise ProfileError("its colour profile is a table, which serves 8-bit images only; save it as sRGB")
    except (KeyError, IndexError, struct.error) as error:
        raise ProfileError(f"its colour profile is damaged: {error!r}") from error
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)  # IEC 61966-2-1
    return encoded.astype(np.float32)


def _tags(data: bytes) -> dict[bytes, bytes]:
    """The tags of a profile (ICC.1:2022, section 7.3)."""
    count = int.from_bytes(data[128:132], "big")
    entries = [struct.unpack_from(">4sII", data, 132 + 12 * i) for i in range(min(count, 200))]
    return {name: data[start : start + length] for name, start, length in entries}


def _xyz(tag: bytes) -> np.ndarray:
    return np.frombuffer(tag, ">i4", 3, 8) / 65536


def _curve(tag: bytes) -> Callable[[np.ndarray], np.ndarray]:
    """The function of a curve tag (ICC.1:2022, sections 10.6 and 10.18)."""
    if tag[:4] == b"curv":
        count = int.from_bytes(tag[8:12], "big")
        points = np.frombuffer(tag, ">u2", count, 12)
        if count == 0:
            return lambda x: x
        if count == 1:
            return lambda x: x ** (points[0] / 256)
        return lambda x: np.interp(x, np.linspace(0, 1, count), points / 65535)
    kind = int.from_bytes(tag[8:10], "big")
    if tag[:4] != b"para" or kind > 4:
        raise ProfileError("its colour profile has a curve of an unknown kind")
    values = np.frombuffer(tag, ">i4", (1, 3, 4, 5, 7)[kind], 12) / 65536
    gamma, a, b, c, d, e, f = _parameters(kind, [float(value) for value in values])
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** gamma + e, c * x + f)


def _parameters(kind: int, values: list[float]) -> tuple[float, ...]:
    """The parameters of each kind of curve as those of the fullest: (ax + b)^gamma + e from d on, cx + f below."""
    if kind == 0:
        return values[0], 1, 0, 0, 0, 0, 0
    gamma, a, b, *rest = values
    if kind <= 2:
        offset = rest[0] if rest else 0.0
        return gamma, a, b, 0, -b / a if a else 0.0, offset, offset
    c, d = rest[:2]
    e, f = rest[2:] if kind == 4 else (0.0, 0.0)
    return gamma, a, b, c, d, e, f


# ---------------------------------------------------------------------- pairs


def profiles_differ(profiles: Mapping[str, bytes | None]) -> str | None:
    """A note that images of one sample show different colours by their profiles; None where they are alike.

    Profiles are compared by the colours they give, not by their bytes: every program writes its own sRGB, which is what
    an image without a profile is taken for, too.

    >>> profiles_differ({"source": None, "edited": None})
    """
    one, *others = profiles.values() or [None]
    if all(_alike(one, other) for other in others):
        return None
    return ", ".join(f"{field} has {profile_name(profile)}" for field, profile in profiles.items())


def profile_name(data: bytes | None) -> str:
    """A profile in words, by its own description.

    >>> profile_name(None)
    'no profile (sRGB assumed)'
    """
    from PIL import ImageCms

    if data is None:
        return "no profile (sRGB assumed)"
    try:
        description = ImageCms.getProfileDescription(_opened(data)).split("\0")[0]
    except (ProfileError, ImageCms.PyCMSError):
        return "a colour profile that cannot be read"
    text = "".join(character if character.isprintable() else " " for character in description).strip()
    return f"the profile {text[:60]}" if text else "a profile without a name"


def _alike(one: bytes | None, other: bytes | None) -> bool:
    if one == other:
        return True
    kind_of_one, kind_of_other = _space(one), _space(other)
    space = kind_of_one or kind_of_other or "RGB"
    if (kind_of_other or space) != space:
        return False
    first, second = _colours(one, space), _colours(other, space)
    return first is not None and second is not None and np.abs(first - second).max() <= _ALIKE


def _space(data: bytes | None) -> str | None:
    return None if data is None else data[16:20].decode("latin-1").strip()


@functools.lru_cache(maxsize=64)
def _colours(data: bytes | None, space: str) -> np.ndarray | None:
    """A grid of colours converted to sRGB by a profile (unchanged without one); None if that is not possible."""
    from PIL import Image

    mode = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space)
    if mode is None or (mode == "CMYK" and data is None):
        return None
    levels = np.arange(0, 256, 15 if mode == "L" else 51, dtype=np.uint8)
    grid = np.array(list(itertools.product(levels, repeat={"L": 1, "RGB": 3, "CMYK": 4}[mode])), np.uint8)[None]
    image = Image.fromarray(grid[..., 0] if mode == "L" else grid, mode)
    try:
        result: Any = np.asarray(converted(image, data).convert("RGB"))
    except ProfileError:
        return None
    return result.astype(np.int16)
