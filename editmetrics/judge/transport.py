"""How questions travel to an endpoint: its address, the encoding of images, and an HTTP client with limits."""

from __future__ import annotations

import ipaddress
import os
import re
import time
import urllib.parse
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal

from .chat import EncodedImage, JudgeError

if TYPE_CHECKING:
    import numpy as np

HERE = "this machine"
"""Recorded in place of the host of an endpoint on this machine."""

LARGEST = 16 * 2**20
"""Most bytes of an answer, decompressed; a long chain of thought takes less than a hundredth of it."""


@dataclass(frozen=True)
class Encoding:
    """Encoding of images, part of the identity of an answer.

    - `form`: "png" is lossless; "jpeg" is several times smaller and changes pixels; "bytes" sends a file as it is, and
      is for single images (`Image(path, Encoding("bytes"))`), not for all of an endpoint.
    - `quality`: of JPEG, 1 to 100. `subsampling`: of its colours, "4:4:4" (full resolution) or "4:2:0" (half).
    - `max_side`: larger images are scaled down (Lanczos) until neither side is longer, in pixels; None sends all.
    - `detail`: OpenAI's "low", "high" or "auto"; None does not say.
    - `mime`: the declared type; None is the true one. Some published scripts send a JPEG as image/png.

    What is sent holds pixels only: no EXIF, no place, no name of a file. "bytes" sends whatever the file holds.

    >>> import numpy as np
    >>> Encoding(max_side=512).data_uri(np.zeros((4, 4, 3), dtype=np.uint8))[:22]
    'data:image/png;base64,'
    """

    form: Literal["png", "jpeg", "bytes"] = "png"
    quality: int = 95
    max_side: int | None = None
    detail: Literal["low", "high", "auto"] | None = None
    subsampling: Literal["4:4:4", "4:2:0"] = "4:4:4"
    mime: str | None = None

    def __post_init__(self) -> None:
        if self.form not in ("png", "jpeg", "bytes"):
            raise ValueError(f"the encoding of images is {self.form!r}; expected 'png', 'jpeg' or 'bytes'")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"the quality of JPEG is {self.quality}; expected 1 to 100")
        if self.max_side is not None and self.max_side < 1:
            raise ValueError(f"max_side is {self.max_side} pixels; expected at least 1")
        if self.form == "bytes" and self.max_side is not None:
            raise ValueError("max_side scales an image, and the encoding 'bytes' sends a file as it is; leave one out")
        if self.subsampling not in ("4:4:4", "4:2:0"):
            raise ValueError(f"the subsampling of JPEG is {self.subsampling!r}; expected '4:4:4' or '4:2:0'")

    def encode(self, image: Any) -> EncodedImage:
        """Encode an image: a path, the bytes of a file, a PIL image, an array or a tensor. Raises `ImageError`.

        >>> Encoding("bytes", mime="image/png").encode("docs/examples/source/cat.jpg").data[:2]
        b'\xff\xd8'
        """
        from ..images import eight_bits, read_image
        from ..images.kinds import kind_of
        from ..images.read import read_bytes

        if self.form == "bytes" and isinstance(image, (str, os.PathLike, bytes)):
            data = image if isinstance(image, bytes) else read_bytes(image)
            read_image(data, name=os.fsdecode(image) if not isinstance(image, bytes) else None)
            kind = kind_of(data)
            return EncodedImage(data, self.mime or f"image/{kind.name.lower() if kind else 'png'}", self.detail)
        return self._of_pixels(eight_bits(read_image(image)))

    def data_uri(self, pixels: np.ndarray) -> str:
        """Encode pixels (H, W, 3), uint8, as a data URI."""
        return str(self._of_pixels(pixels).part()["image_url"]["url"])

    def part(self, pixels: np.ndarray) -> dict[str, Any]:
        """Encode pixels as a part of a chat message."""
        return self._of_pixels(pixels).part()

    def identity(self) -> dict[str, Any]:
        """Return the settings that change the pixels that the model sees, as JSON."""
        settings = asdict(self)
        if self.form != "jpeg":
            del settings["quality"]
        if self.form != "jpeg" or self.subsampling == "4:4:4":  # as it was before there was a choice
            del settings["subsampling"]
        if self.mime is None:
            del settings["mime"]
        return settings

    def _of_pixels(self, pixels: np.ndarray) -> EncodedImage:
        import numpy as np
        from PIL import Image

        image = Image.fromarray(np.ascontiguousarray(pixels))
        if self.max_side is not None and max(image.size) > self.max_side:
            scale = self.max_side / max(image.size)
            width, height = (max(1, round(side * scale)) for side in image.size)
            image = image.resize((width, height), Image.Resampling.LANCZOS)
        file = BytesIO()
        form = "jpeg" if self.form == "jpeg" else "png"
        if form == "jpeg":
            image.save(file, "JPEG", quality=self.quality, subsampling=self.subsampling)
        else:
            image.save(file, "PNG", compress_level=1)  # an eighth of the time of level 6, a few percent larger
        return EncodedImage(file.getvalue(), self.mime or f"image/{form}", self.detail)


def base_url(url: str) -> str:
    """Return the base URL of an endpoint, without a slash at its end.

    Raises `JudgeError` for an invalid http address, and for one with a user name, password or query, which would be
    recorded.

    >>> base_url("http://localhost:8000/v1/")
    'http://localhost:8000/v1'
    """
    try:
        parts = urllib.parse.urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # an invalid port, half an IPv6 address
        usable = False
    if usable and (parts.username or parts.password or parts.query or parts.fragment):
        raise JudgeError(
            f"the endpoint at {parts.hostname} comes with a user name, a password or a query, which would be recorded; "
            "give the bare base URL and put the key into the environment"
        )
    if not usable or re.search(r"[\s\x00-\x1f]", url):
        raise JudgeError(f"{url!r} is not an endpoint; expected a base URL such as http://localhost:8000/v1")
    return url.rstrip("/")


def provider(url: str) -> str:
    """Return the provider of an endpoint, as it is recorded: its host without port and path.

    >>> provider("https://openrouter.ai/api/v1"), provider("http://127.0.0.1:8000/v1")
    ('openrouter.ai', 'this machine')
    """
    host = (urllib.parse.urlsplit(url).hostname or "").lower()
    return HERE if _is_here(host) else host


def is_private(url: str) -> bool:
    """Tell whether messages are private on the way: by https, or on this machine itself.

    >>> is_private("http://127.0.0.1:8000/v1"), is_private("http://gpu-server:8000/v1")
    (True, False)
    """
    parts = urllib.parse.urlsplit(url)
    host = parts.hostname or ""
    return parts.scheme == "https" or _is_here(host)


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or host == "0.0.0.0" or ipaddress.ip_address(host).is_loopback  # noqa: S104
    except ValueError:
        return False


class TooLargeError(Exception):
    """An answer has more bytes than the limit."""


class TooSlowTimeout(Exception):
    """An answer was still arriving when its time was over."""


def bounded_client(seconds: float, **options: Any) -> Any:
    """Return openai's HTTP client, reading at most `LARGEST` bytes of an answer for at most `seconds`.

    Its requests raise `TooLargeError` and `TooSlowTimeout`. `options` are those of `openai.DefaultHttpxClient`;
    requests and responses are of the HTTP library that the installed version of openai uses.
    """
    import openai

    base: Any = openai.DefaultHttpxClient

    class BoundedClient(base):
        def send(self, request: Any, *, stream: bool = False, **more: Any) -> Any:
            """Return the whole answer; `stream` is ignored."""
            deadline = time.monotonic() + seconds
            response = super().send(request, stream=True, **more)
            try:
                content = _content(response, deadline)
            finally:
                response.close()
            encoded = {"content-encoding", "content-length", "transfer-encoding"}
            headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in encoded]
            extensions = {name: value for name, value in response.extensions.items() if name != "network_stream"}
            return type(response)(
                response.status_code, headers=headers, content=content, request=request, extensions=extensions
            )

    return BoundedClient(**options)


def _content(response: Any, deadline: float) -> bytes:
    content = bytearray()
    for chunk in response.iter_bytes():
        content += chunk
        if len(content) > LARGEST:
            raise TooLargeError(f"the answer is larger than {LARGEST // 2**20} MB")
        if time.monotonic() > deadline:
            raise TooSlowTimeout("the answer was still coming")
    return bytes(content)
