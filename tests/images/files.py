"""Image files for the tests: encoded, damaged, and with colour profiles that are written out here."""

from __future__ import annotations

import base64
import io
import struct

import numpy as np
from PIL import Image

PHOTO = "docs/examples/source/coffee.jpg"

ARITHMETIC_JPEG = base64.b85decode(
    "|JeWF01!$>Nk#wx0RR9200961|JwjV02B@n5)Ta&5)cv>6%-"
    "gAG9exu93DL^E+jHZKuk+VKt@GST61DhRc%&9Mr4R(ZFhTtf`Lw8jhBplmUDiAeE-`3Lje^R7akfOJ0T%Ed{ahKe0+R-e0+R-"
    "e0+R-e0+R-e0+R-e0+R-e0+R-e0+R-e0+R-e0+R-e0+R-e0+R-"
    "e0=}O01*fPC;%`60U`hb5di}c0sqVZ3IGrg1pyEd1^?Or3<CiG0ucid06zeRoJl(6+iwwCUY!=WkzT+@xjFq1`25bL?)LH#L!VDm"
    "q!mrLo|YRI!gs$qyswtlBSPibq7IM4;3_==@&5oLaYOiCVDkaDqn{3_e;8y@@TJ_!n+@W65-^ZCj+GgRE5I<O>gBY3HGoos-"
    "6@n`PjeMe3R2VbI6p4T0y}SwOfLr)Fs9pY!WCWfsiW{%VTBctLu8_f#PH*P7hQ7Bf(+$VI&S{}volY~D$S(e!QxONg?<2?X>mQ}C"
    "Y0H`g;Ytw&dL7(pMG{OzrL(e`t6>_WcQ$JtFV~5yTDXh&A3SUi3L6l4s>gV%v&}0tSw0j`=5&5wWvCIjz%riD0G&ct312>eUF{|I"
    "lI}Wbsq^fb8jPM)l7J`1&v=t8K>nQNaFGmzN)@x94)$iv2g#{"
)
"""48 x 40 pixels of a photograph, arithmetic-coded by jpegtran, which no library of Python's writes."""

SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)  # IEC 61966-2-1, as a parametric curve of kind 3
PRIMARIES = {
    "sRGB": ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)),
    "Display P3": ((0.68, 0.32), (0.265, 0.69), (0.15, 0.06)),
    "Adobe RGB": ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)),
}


def encoded(image: Image.Image, file_format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def photo(size: tuple[int, int] | None = None) -> Image.Image:
    image = Image.open(PHOTO).convert("RGB")
    return image.resize(size, Image.Resampling.BICUBIC) if size else image


def zeroed(data: bytes, at: int, length: int) -> bytes:
    return data[:at] + bytes(length) + data[at + length :]


def cut_out(data: bytes, at: int, length: int) -> bytes:
    return data[:at] + data[at + length :]


def rgb_profile(name: str, gamma: float | None = None, table: int = 0) -> bytes:
    """A matrix profile from chromaticities (ICC.1:2022), white D65 adapted to D50 by Bradford's matrix.

    Its curve is that of sRGB, as parameters; that of a `gamma`; or that of sRGB, as a `table` of so many points.
    """

    def xyz(x, y):
        return np.array([x / y, 1, (1 - x - y) / y])

    colours, white = np.stack([xyz(*corner) for corner in PRIMARIES[name]], axis=1), xyz(0.3127, 0.3290)
    colours = colours * np.linalg.solve(colours, white)
    bradford = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
    d50 = np.array([0.9642, 1, 0.8249])
    matrix = np.linalg.inv(bradford) @ np.diag((bradford @ d50) / (bradford @ white)) @ bradford @ colours
    if gamma:
        curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    elif table:
        x = np.linspace(0, 1, table)
        y = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
        curve = b"curv" + struct.pack(">II", 0, table) + np.rint(y * 65535).astype(">u2").tobytes()
    else:
        curve = b"para" + bytes(4) + struct.pack(">HH", 3, 0) + fixed(*SRGB_CURVE)
    title = name.encode()
    tags = {
        b"desc": b"desc" + struct.pack(">II", 0, len(title) + 1) + title + bytes(79),
        b"wtpt": b"XYZ " + bytes(4) + fixed(*d50),
        b"cprt": b"text" + bytes(4) + b"none\0",
    }
    for colour, column in zip((b"r", b"g", b"b"), matrix.T, strict=True):
        tags[colour + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*column)
        tags[colour + b"TRC"] = curve
    return profile(b"RGB ", tags)


def grey_profile(gamma: float) -> bytes:
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    white = b"XYZ " + bytes(4) + fixed(0.9642, 1, 0.8249)
    return profile(
        b"GRAY", {b"desc": b"desc" + struct.pack(">II", 0, 5) + b"grey" + bytes(79), b"wtpt": white, b"kTRC": curve}
    )


def profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body, begin = struct.pack(">I", len(tags)), b"", 132 + 12 * len(tags)
    for tag, value in tags.items():
        table += tag + struct.pack(">II", begin + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", begin + len(body), 0x02400000, b"mntr", space, b"XYZ ", b"acsp")
    head += bytes(28) + fixed(0.9642, 1, 0.8249)
    return head + bytes(128 - len(head)) + table + body


def fixed(*values: float) -> bytes:
    """Numbers as profiles store them: 16 bits before the point and 16 behind it."""
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))
