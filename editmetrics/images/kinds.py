"""The kinds of image files: how to tell and name them, which can be read, and the size that a header announces.

Nothing here imports Pillow: looking through a folder takes names only.
"""

from __future__ import annotations

import os
import posixpath
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.machinery import PathFinder
from importlib.metadata import version
from importlib.util import find_spec

from ..files.text import stripped, told_apart

_RATIOS = ((1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))  # JPEG XL's, width to height
HEAD_BYTES = 32
"""How many of a file's first bytes tell its kind."""


@dataclass(frozen=True)
class Kind:
    """A kind of image file: its suffixes, what its first bytes match, and how it is read, if it is.

    `format` is Pillow's name of it, empty for kinds that are never read. `needs` is the module without which it cannot
    be read, and `install` what brings that module; `package` is its distribution, if that is not Pillow's.
    """

    name: str
    suffixes: str
    head: bytes = b""
    format: str = ""
    needs: str = "PIL"
    install: str = ""
    package: str = ""

    def starts(self, head: bytes) -> bool:
        """Whether a file that begins with `head` is of this kind, as far as its first bytes tell."""
        return bool(self.head) and re.match(self.head, head, re.DOTALL) is not None

    @property
    def readable(self) -> bool:
        """Whether such a file can be read here."""
        return bool(self.format) and _importable(self.needs)

    @property
    def remedy(self) -> str:
        """How to make a file of this kind readable here."""
        return f"pip install {self.install}" if self.install else "save it as PNG"


_BRAND = rb"....ftyp(?:%b)"  # ISO base media files: the size of the first box, its name, the major brand

KINDS = (
    Kind("PNG", ".png .apng", rb"\x89PNG\r\n\x1a\n", "PNG"),
    Kind("JPEG", ".jpg .jpeg .jpe .jfif .mpo", rb"\xff\xd8\xff", "JPEG"),
    Kind("WebP", ".webp", rb"RIFF....WEBP", "WEBP"),
    Kind("BMP", ".bmp", rb"BM.{12}[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0", "BMP"),
    Kind("TIFF", ".tif .tiff", rb"II\*\0|MM\0\*|II\+\0|MM\0\+", "TIFF"),
    Kind("GIF", ".gif", rb"GIF8[79]a", "GIF"),
    Kind("PPM", ".ppm .pgm .pbm .pnm", rb"P[1-6]\s+[#\d]", "PPM"),
    Kind(
        "JPEG 2000",
        ".jp2 .j2k .j2c .jpc .jpf .jpx",
        rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51",
        "JPEG2000",
    ),
    Kind("AVIF", ".avif .avifs", _BRAND % rb"avif|avis", "AVIF", "PIL._avif", "'pillow>=11.3'"),
    Kind(
        "HEIC",
        ".heic .heif .heics .heifs .hif",
        _BRAND % rb"heic|heix|heim|heis|hevc|hevx|mif1|msf1",
        "HEIF",
        "pillow_heif",
        "'editmetrics[formats]'",
        "pillow-heif",
    ),
    Kind(
        "JPEG XL",
        ".jxl",
        rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
        "JXL",
        "pillow_jxl",
        "'editmetrics[formats]'",
        "pillow-jxl-plugin",
    ),
    Kind("JPEG XR", ".jxr .wdp .hdp", rb"II\xbc"),
    Kind("camera raw", ".raw .dng .cr2 .cr3 .crw .nef .nrw .arw .sr2 .orf .rw2 .raf .pef .srw .3fr .iiq .x3f"),
    Kind("Photoshop", ".psd .psb", rb"8BPS"),
    Kind("OpenEXR", ".exr", rb"\x76\x2f\x31\x01"),
    Kind("Radiance HDR", ".hdr .rgbe", rb"#\?RADIANCE|#\?RGBE"),
    Kind("PFM", ".pfm", rb"P[fF]\s+\d"),
    Kind("SVG", ".svg .svgz", rb"<svg|<\?xml[^>]*>\s*<svg"),
    Kind("EPS", ".eps .ps .ai", rb"%!PS"),
    Kind("Targa", ".tga .icb .vda .vst"),
    Kind("icon", ".ico .cur .icns", rb"\0\0[\1\2]\0[^\0]\0.{2}\0|icns"),
    Kind("DDS", ".dds", rb"DDS \x7c"),
    Kind("QOI", ".qoi", rb"qoif"),
    Kind("GIMP", ".xcf", rb"gimp xcf"),
    Kind("PCX", ".pcx"),
    Kind("SGI", ".sgi .rgb .rgba .bw"),
    Kind("DIB", ".dib"),
    Kind("X bitmap", ".xbm .xpm"),
    Kind("Windows metafile", ".wmf .emf"),
    Kind("DICOM", ".dcm .dicom"),
    Kind("FITS", ".fits .fit", rb"SIMPLE  ="),
    Kind("BPG", ".bpg", rb"BPG\xfb"),
    Kind("FLIF", ".flif", rb"FLIF"),
    Kind("KTX", ".ktx .ktx2", rb"\xabKTX "),
)


def _importable(module: str) -> bool:
    """Whether `module` is there, found without importing it or the package that holds it."""
    package, _, inner = module.partition(".")
    spec = find_spec(package)
    if spec is None or not inner:
        return spec is not None
    return PathFinder.find_spec(module, spec.submodule_search_locations) is not None


def kinds_read_here() -> Iterator[Kind]:
    """The kinds that can be read here, in the order in which a file is tried."""
    return (kind for kind in KINDS if kind.readable)


SUFFIXES = frozenset(suffix for kind in kinds_read_here() for suffix in kind.suffixes.split())
"""The suffixes, in lower case, of the files in a folder that are taken for images: those that can be read here."""

NAMED_SUFFIXES = frozenset(suffix for kind in KINDS if kind.format for suffix in kind.suffixes.split())
"""The suffixes that are not part of a name: those of all kinds that some machine reads, so that ids do not differ."""

FORMATS_IN_WORDS = ", ".join(kind.name for kind in kinds_read_here())


def image_name(path: str) -> str:
    """A relative path as a name: without the suffix of an image, with "/" between folders, in Unicode's NFC, without
    blanks around it.

    >>> image_name("animals/cat.v2.PNG"), image_name("cat "), image_name("./animals//cat.jpg")
    ('animals/cat.v2', 'cat', 'animals/cat')
    """
    path = posixpath.normpath((stripped(path) or path).replace("\\", "/"))
    stem, suffix = posixpath.splitext(path)
    name = unicodedata.normalize("NFC", told_apart(stem if suffix.lower() in NAMED_SUFFIXES else path))
    return stripped(name) or name


def kind_of(head: bytes) -> Kind | None:
    """The kind of image that begins with `head` (`HEAD_BYTES` of it are enough); None when it looks like none.

    >>> kind_of(b"GIF89a").name
    'GIF'
    """
    return next((kind for kind in KINDS if kind.starts(head)), None)


def decoder_of(head: bytes) -> str:
    """The package and version that decodes the image that begins with `head`, where that is not Pillow; else "".

    >>> decoder_of(b"GIF89a")
    ''
    """
    kind = kind_of(head)
    return f"{kind.package} {version(kind.package)}" if kind and kind.package and kind.readable else ""


def unreadable_kind(path: str | os.PathLike[str]) -> str | None:
    """The kind of image (HEIC, ...) that this file is by suffix or first bytes and that cannot be read here; None for
    others.

    The suffix decides where it is that of an image; the file is opened only where it is not. One that holds a kind that
    can be read, under a name that does not say so, is "PNG without its suffix". What cannot be opened is None.

    >>> unreadable_kind("layers.psd"), unreadable_kind("cat.png")
    ('Photoshop', None)
    """
    suffix = os.path.splitext(os.fsdecode(path))[1].lower()
    for kind in KINDS:
        if suffix in kind.suffixes.split():
            return None if kind.readable else kind.name
    looks_like = kind_of(_head(path))
    if looks_like is None:
        return None
    return f"{looks_like.name} without its suffix" if looks_like.readable else looks_like.name


def _head(path: str | os.PathLike[str]) -> bytes:
    """The first bytes of a regular file; none of what is something else or cannot be read."""
    try:
        with open(path, "rb", opener=open_without_waiting, buffering=0) as file:
            return file.read(HEAD_BYTES) if stat.S_ISREG(os.fstat(file.fileno()).st_mode) else b""
    except (OSError, ValueError):
        return b""


def open_without_waiting(path: str, flags: int) -> int:
    """An `opener` for `open` that does not wait for the writer of a named pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def announced_size(data: bytes, file_format: str) -> tuple[int, int] | None:
    """The width and height in the header of a WebP or JPEG XL file, whose decoders reserve memory at once; else None.

    Raises `ValueError` when the header holds none.
    """
    if file_format == "WEBP":
        return _webp_size(data)
    return _jxl_size(_codestream(data)) if file_format == "JXL" else None


def _webp_size(data: bytes) -> tuple[int, int]:
    """After Google's container specification and RFC 6386, section 9.1."""
    kind, body = data[12:16], data[20:30]
    if kind == b"VP8X" and len(body) == 10:
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8 " and len(body) == 10:
        return int.from_bytes(body[6:8], "little") & 0x3FFF, int.from_bytes(body[8:10], "little") & 0x3FFF
    if kind == b"VP8L" and len(body) >= 5:
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise ValueError("its header holds no size")


def _codestream(data: bytes) -> bytes:
    """The beginning of a JPEG XL image, bare or in the boxes of its container."""
    if data[:2] == b"\xff\x0a":
        return data[:32]
    at = 0
    while at + 8 <= len(data):
        length, kind, begin = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8], at + 8
        if length == 1:
            length, begin = int.from_bytes(data[at + 8 : at + 16], "big"), at + 16
        if kind in (b"jxlc", b"jxlp"):
            begin += 4 if kind == b"jxlp" else 0
            return data[begin : begin + 32]
        if length < 8:
            break
        at += length
    raise ValueError("it holds no image")


def _jxl_size(codestream: bytes) -> tuple[int, int]:
    """After ISO/IEC 18181-1, SizeHeader: fields from the lowest bit on."""
    if codestream[:2] != b"\xff\x0a" or len(codestream) < 12:
        raise ValueError("its header holds no size")
    bits, at = int.from_bytes(codestream[2:], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        value = bits >> at & (1 << count) - 1
        at += count
        return value

    def side(small: int) -> int:
        return (take(5) + 1) * 8 if small else take((9, 13, 18, 30)[take(2)]) + 1

    small = take(1)
    height = side(small)
    ratio = take(3)
    if not ratio:
        return side(small), height
    numerator, denominator = _RATIOS[ratio - 1]
    return height * numerator // denominator, height
