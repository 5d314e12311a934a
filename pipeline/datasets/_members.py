"""Text members of official archives, read in place or from the folder they were extracted to.

Nothing is ever extracted, so no member can be written anywhere, whatever its name.
"""

import errno
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, cast

from pipeline.errors import InputError
from pipeline.storage.recognise import aside

LARGEST = 2**31
"""Bytes a text member may have; the largest official one has about 540 million."""


@dataclass(frozen=True)
class Members:
    """The files of an archive or of an extracted folder, by their paths inside it.

    where  the archive or the folder, for messages
    names  all members, sorted
    """

    where: Path
    names: list[str]
    _archive: zipfile.ZipFile | None

    @contextmanager
    def open(self, name: str) -> Iterator[BinaryIO]:
        """Open a member; reading a damaged one raises InputError."""
        try:
            if self._archive is None:
                with (self.where / name).open("rb") as file:
                    yield file
                return
            if self._archive.getinfo(name).file_size > LARGEST:
                raise InputError(f"{self.where}/{name}: larger than {LARGEST:,} bytes unpacked")
            with self._archive.open(name) as member:
                yield cast(BinaryIO, member)
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as e:
            raise InputError(f"{self.where}/{name}: cannot be unpacked ({e})") from None
        except OSError as e:
            if e.errno != errno.EINVAL:
                raise
            raise InputError(f"{self.where}/{name}: lies outside of the archive") from None

    def lines(self, name: str) -> Iterator[bytes]:
        """The lines of a member, without surrounding white space."""
        with self.open(name) as file:
            for line in file:
                yield line.strip()

    def text_lines(self, name: str) -> Iterator[str]:
        """The lines of a UTF-8 member, without surrounding white space."""
        for number, line in enumerate(self.lines(name), 1):
            try:
                yield line.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError:
                raise InputError(
                    f"{self.where}/{name}, line {number}: not UTF-8 text, which is needed"
                ) from None


@contextmanager
def open_members(raw: Path, archive: str, folder: str) -> Iterator[Members]:
    """The members of ``raw/archive``, or of ``raw`` where ``folder`` was extracted into it.

    Raises InputError when neither is there, or when the archive is damaged.
    """
    path = raw / archive
    if path.is_file():
        with open_zip(path) as file:
            yield Members(path, sorted(n for n in file.namelist() if not n.endswith("/")), file)
    elif (raw / folder).is_dir():
        found = (raw / folder).rglob("*")
        names = sorted(p.relative_to(raw).as_posix() for p in found if p.is_file())
        yield Members(raw, names, None)
    else:
        raise InputError(
            f"{path}: no such file, nor the folder {folder} extracted from it; download it, "
            "or put a copy there"
        )


@contextmanager
def open_zip(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        file = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise InputError(f"{path}: not a readable zip archive ({error}){aside(path)}") from None
    with file:
        yield file
