"""Texts that may leave this machine: without the paths of its folders and without images, and checked for names.

Absolute paths and encoded images are replaced. What cannot be replaced safely, the name of the user or the machine in
the middle of a text and secrets, is refused with the file and the line.
"""

from __future__ import annotations

import getpass
import os
import platform
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from urllib.parse import unquote

from ..wording import plural

NO_IMAGE = "[image removed]"

BREAK = r"(?:\\[rn]|\s)+"
RUN = r"(?:[A-Za-z0-9+/_-]|\\/)"
WRAPPED = rf"(?:{BREAK}{RUN}{{60,}})*(?:{BREAK}{RUN}+={{1,2}})?"
"""More lines of base64, in either alphabet; JSON in a text may escape line feeds and slashes."""

IMAGE = re.compile(
    r"(?i:data:image/)[\w.+-]+(?:;[\w=.+-]+)*,"
    r"(?:\s*<svg(?s:(?!data:).)*?</svg>|(?:[A-Za-z0-9+/=_%-]|\\/)+" + WRAPPED + ")"
    r"|(?:iVBORw0KGgo|UklGR|R0lGOD|(?:(?<![A-Za-z0-9+/])|(?<=\\[nrt]))"
    r"(?:(?:\\?/|_)9j(?:\\?/|_)|SUkqA|TU0AK|Qk[0-3].{5}AAAA|AAAA[A-Za-z0-9+/]{4}ZnR5c))" + RUN + "{60,}={0,2}" + WRAPPED
    + r"|(?i:89504e470d0a1a0a|ffd8ff)[0-9A-Fa-f]{120,}"
)  # fmt: skip
"""An image as a data URL, or the base64 of PNG, JPEG, WebP, GIF, TIFF, BMP, HEIF or AVIF, or PNG and JPEG in hex."""

SEPARATOR = r"(?:\\?/|(?i:%2F))"
PART = r"(?:(?!%2[Ff])[^/\s\"'<>|:,;=()\[\]{}*?\\])+"
SPACED = r"(?:/(?!\s)[^/\"'<>|:,;=()\[\]{}*?\\\n]+(?<!\s)){2,}/?"

PATH = re.compile(
    r"(?=[/\\~%]|[A-Za-z]:|[Ff][Ii][Ll][Ee])(?<![\w./\\~@-])"
    rf"(?:(?i:file(?::|%3A)(?:{SEPARATOR}{{2}}[\w.-]*)?)?"
    rf"(?:(?<=['\"]){SPACED}(?=['\"])|(?<==){SPACED}|(?:{SEPARATOR}{PART}){{2,}}{SEPARATOR}?)"
    rf"|~[A-Za-z_][\w.-]*(?:{SEPARATOR}{PART})+|~(?:{SEPARATOR}{PART}){{2,}}|(?<!:)//{PART}(?:/{PART})+"
    rf"|(?:(?i:file):/+)?(?:[A-Za-z]:\\|\\\\|[A-Za-z]:/{PART}/)[^\s\"'<>|:,;=()\[\]{{}}*?]+)"
)
"""An absolute path of two parts or more in the middle of a text; one part alone ("/help") is a word. It may have blanks
between quotes and after "="."""

MARK = re.compile(r"[/\\]|%2[Ff]")
"""Without one of these, a text has no path."""

SECRET = re.compile(
    r"\bhf_[A-Za-z0-9]{20,}|\b(?:sk-|gsk_|xai-|glpat-)[\w-]{20,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"
    r"|\bA(?:KI|SI)A[A-Z0-9]{16}\b|\bAIza[\w-]{30,}|\beyJ[\w-]{8,500}\.eyJ[\w-]{8,}\.[\w-]+"
    r"|\bBearer\s+[\w.-]{12,}|[Aa]uthorization\W+Basic\s+[\w+/]{8,}|-----BEGIN [A-Z ]*PRIVATE KEY|://[^\s/@:\"']+:[^\s/@\"']+@"
    r"|(?i:[?&](?:[\w-]*signature|sig|(?:api|access)?[_-]?(?:key|token)|password|secret)=)[^\s&\"']{8,}"
)
"""A token of the hub, of a service like OpenAI's or Google's, of GitHub, GitLab or AWS, an address that is signed or
has a password, or a private key."""

SHARED_NAMES = {
    "root", "user", "users", "home", "admin", "administrator", "ubuntu", "debian", "runner", "docker", "jovyan",
    "nobody", "app", "test", "guest", "localhost", "linux", "default", "worker", "main", "server", "node", "none",
}  # fmt: skip
"""Names that many machines share, which give nobody away."""


class Scrubber:
    """Replaces absolute paths and images in all texts of one upload, the same everywhere.

    A path below one of `bases` becomes relative to it; any other absolute folder becomes `folder-1`, `folder-2`, ... in
    order of appearance, and the name of the file stays. `replaced` counts paths and images.

    >>> scrubber = Scrubber([Path("/data/run")])
    >>> scrubber.text("/data/run/edits/cat.png"), scrubber.text("cannot read /srv/me/dog.png: no file")
    ('edits/cat.png', 'cannot read folder-1/dog.png: no file')
    """

    def __init__(self, bases: Collection[Path] = (), images: bool = False) -> None:
        self.bases = [name for base in bases for name in dict.fromkeys((str(base.resolve()), os.path.abspath(base)))]
        known = "|".join(map(re.escape, self.bases)) or "(?!)"  # these may have blanks
        self._paths = re.compile(rf"(?<![\w./\\~@-])(?:file://)?(?:{known})(?!{PART})(?:/{PART})*|{PATH.pattern}")
        self.images = images
        self.replaced: Counter[str] = Counter()
        self._folders: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text without absolute paths and, unless they are wanted, without images."""
        if "\n" not in text and _is_absolute(text) and not IMAGE.search(text):
            return self._path(text)
        parts, end = [], 0
        for image in IMAGE.finditer(text):
            self.replaced["image"] += not self.images
            parts += [self._without_paths(text[end : image.start()]), image[0] if self.images else NO_IMAGE]
            end = image.end()
        return "".join([*parts, self._without_paths(text[end:])])

    def _without_paths(self, text: str) -> str:
        if not MARK.search(text):
            return text
        return self._paths.sub(lambda match: self._path(match[0]), text)

    def value(self, value: Any) -> Any:
        """A value of JSON with all its texts, the keys of objects among them, scrubbed."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(inner) for key, inner in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(inner) for inner in value]
        if value is None or isinstance(value, (bool, int, float)):
            return value
        if isinstance(value, (date, time, timedelta, Decimal)):
            return str(value)
        self.replaced["image"] += 1  # bytes in a cell of a parquet file
        return NO_IMAGE

    def notes(self) -> list[str]:
        """Return a sentence on what was replaced, for the user; none if nothing was."""
        replaced = [plural(count, name) for name, count in self.replaced.items() if count]
        return [f"replaced in the copy that leaves: {', '.join(replaced)}"] if replaced else []

    def _path(self, path: str) -> str:
        self.replaced["absolute path"] += 1
        path = _decoded(path)
        windows = not path.startswith(("/", "~"))
        for base in self.bases:
            if path.rstrip("/") == base:
                return "."
            if path.startswith(base + os.sep) and ".." not in PurePosixPath(path).parts:
                return path.removeprefix(base + os.sep).replace(os.sep, "/")
        pure = PureWindowsPath(path) if windows else PurePosixPath(path)
        folder = self._folders.setdefault(str(pure.parent), f"folder-{len(self._folders) + 1}")
        return f"{folder}/{pure.name}"


def _decoded(path: str) -> str:
    """A path without the head of an address, and without the escapes of addresses and JSON."""
    path = re.sub(SEPARATOR, "/", path)
    address = re.match(r"(?i:file(?::|%3A)(?://[\w.-]*)?)", path)
    return unquote(path[address.end() :]) if address else path


def _is_absolute(text: str) -> bool:
    """Whether a whole text is an absolute path, blanks in it and all."""
    if len(text) > 4096 or text.startswith("//"):
        return False
    posix = re.fullmatch(r"(?:file:(?://[\w.-]*)?)?(?:~[\w.-]*)?/[^\"<>|*?]*/[^\"<>|*?]+", text)
    if posix and any(part != part.strip() for part in text.split("/")):  # words with slashes between them
        return False
    return bool(posix or re.match(r"[A-Za-z]:(?:\\|/[^/])|\\\\[\w.-]+\\", text))


def private_names() -> frozenset[str]:
    """The names of this user and machine that must not leave it, but for those that many share."""
    names = {platform.node(), platform.node().partition(".")[0]}
    with suppress(KeyError, OSError, ImportError):  # a user without an entry in the list of users
        names.add(getpass.getuser())
    if home := _home():
        names.add(Path(home).name)
    return frozenset(name for name in names if len(name) > 2 and name.lower() not in SHARED_NAMES)


def problems(name: str, text: str, *, images: bool, allowed: Collection[str] = ()) -> Iterator[str]:
    """Sentences on what must not leave in the file `name`, each with its line; `allowed` are texts that may.

    Names are not looked for in pages: their data come from the table and the record, and their scripts have many words.

    >>> list(problems("a.csv", "id\\ncat,/home/ada/cat.png\\n", images=False))
    ['a.csv, line 2: a path of this machine, /home/ada/cat.png']
    """
    may = {name.lower() for name in allowed}
    private = [one for one in private_names() if one.lower() not in may]
    whole = "|".join(rf"(?<![^\W_]){re.escape(one)}(?![^\W_])" for one in private)
    words = re.compile(whole, re.IGNORECASE) if private and not name.endswith(".html") else None
    for number, line in enumerate(_unescaped(text).split("\n"), 1):
        where = f"{name}, line {number}"
        if match := SECRET.search(line):
            yield f"{where}: a secret that begins with {match[0][:6]}"
        if not images and (match := IMAGE.search(line)):
            yield f"{where}: an encoded image, {match[0][:30]}..."
        plain = line if images else IMAGE.sub("", line)
        if (home := _home()) not in ("", "/root") and f"{home}{os.sep}" in plain:
            yield f"{where}: the folder of this user, {home}"
            continue
        if match := next((one for one in PATH.finditer(plain) if _is_personal(one[0])), None):
            yield f"{where}: a path of this machine, {match[0]}"
        elif words and (match := words.search(plain)):
            yield f"{where}: {match[0]!r}, the name of this user or machine"


def _unescaped(text: str) -> str:
    """A text without JSON's escapes of letters."""
    return re.sub(r"\\u([0-9a-fA-F]{4})", lambda match: chr(int(match[1], 16)), text) if "\\u" in text else text


def _home() -> str:
    """The home folder of this user; "" if there is none, or if it is the root of the disk."""
    try:
        home = str(Path.home())
    except RuntimeError:
        return ""
    return home if len(Path(home).parts) > 1 else ""


def _is_personal(path: str) -> bool:
    """Whether a path leads into somebody's folder; texts may hold others, such as /usr/bin."""
    return bool(re.match(r"/?(?:[A-Za-z]:)?[/\\]+(?:home|Users|root)[/\\]", _decoded(path)))
