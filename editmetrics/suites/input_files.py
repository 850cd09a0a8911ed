"""Files of a benchmark as they were downloaded: in a folder, and in archives (zip, tar) of it, which stay packed."""

from __future__ import annotations

import posixpath
import tarfile
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..files.decoding import read_data
from ..files.text import DataError
from ..wording import first_few, plural


@dataclass(frozen=True)
class StoredFile:
    """A file in a folder, or a member of an archive; `name` is its path, with the archive's before a member's."""

    name: str
    path: Path
    member: str = ""

    def read(self) -> bytes:
        """Return its bytes. Raises `DataError` for a file that cannot be read."""
        try:
            if not self.member:
                return read_data(self.path)
            if self.path.suffix == ".zip":
                with zipfile.ZipFile(self.path) as archive:
                    return archive.read(self.member)
            with tarfile.open(self.path) as archive:
                file = archive.extractfile(self.member)
                return b"" if file is None else file.read()
        except (OSError, EOFError, tarfile.TarError, zipfile.BadZipFile) as error:
            raise DataError(f"{self.name} cannot be read: {error}; is its download complete?") from error


class InputFiles:
    """All files under a folder, and in the archives there, found by the ends of their paths. Nothing is unpacked."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._by_name: dict[str, list[StoredFile]] = {}
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            name = path.relative_to(folder).as_posix()
            for file in (StoredFile(name, path), *_members(name, path)):
                self._by_name.setdefault(posixpath.basename(file.name), []).append(file)

    def called(self, name: str) -> Sequence[StoredFile]:
        """Return the files of this name in all folders. Raises `DataError` for none."""
        if name not in self._by_name:
            raise DataError(f"{self.folder} holds no {name}; expected the benchmark's files as they are published")
        return self._by_name[name]

    def one_of(self, *names: str) -> StoredFile:
        """Return the file of the first of these names. Raises `DataError` for none, and for several."""
        name = next((name for name in names if name in self._by_name), names[-1])
        files = self.called(name)
        if len(files) > 1:
            raise DataError(f"{self.folder} has {name} more than once: {first_few(file.name for file in files)}")
        return files[0]

    def ending(self, path: str) -> StoredFile:
        """Return the file whose path ends with `path`. Raises `DataError` for none, and for several."""
        files = [one for one in self.called(posixpath.basename(path)) if f"/{one.name}".endswith(f"/{path}")]
        if len(files) != 1:
            raise DataError(f"{self.folder} holds {path} {plural(len(files), 'time')}; expected the published files")
        return files[0]

    def image(self, path: str, near: str) -> StoredFile:
        """Return the file whose path ends with `path`, in the folder of the file `near` or below it.

        Raises `DataError` for none, and for several.
        """
        path = posixpath.normpath(path.replace("\\", "/"))
        folder = f"/{posixpath.dirname(near)}/".replace("//", "/")
        candidates = self._by_name.get(posixpath.basename(path), ())
        files = [one for one in candidates if f"/{one.name}".startswith(folder) and f"/{one.name}".endswith(f"/{path}")]
        if len(files) != 1:
            where = f"{self.folder}{folder.rstrip('/')}"
            state = f"has more than once: {first_few(file.name for file in files)}" if files else "does not have"
            raise DataError(f"{near} names the image {path}, which {where} {state}")
        return files[0]


def _members(name: str, path: Path) -> Sequence[StoredFile]:
    if path.suffix == ".zip" and zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            members = [one.filename for one in archive.infolist() if not one.is_dir()]
    elif path.suffix in (".tar", ".tgz") or path.name.endswith(".tar.gz"):
        try:
            with tarfile.open(path) as archive:
                members = [one.name for one in archive if one.isfile()]
        except (tarfile.TarError, OSError, EOFError) as error:
            raise DataError(f"{path} cannot be read: {error}; is its download complete?") from error
    else:
        return ()
    return [StoredFile(posixpath.join(name, posixpath.normpath(member)), path, member) for member in members]
