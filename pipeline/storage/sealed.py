"""HDF5 files that are checked before HDF5 reads them, and written without HDF5 meeting a full disk.

HDF5's reader may crash on a damaged file, or run in circles without end. So the first 512 bytes of
our files, which HDF5 leaves to the user, hold a seal: the SHA-256 of all bytes that follow, but for
large arrays of numbers that lie in one piece, of which HDF5 can make nothing but numbers.

HDF5 may also end the process when it cannot write. So files that are streamed to the disk go
through ``Written``, which tells HDF5 that all is well and the caller what is not.
"""

import hashlib
import io
import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import h5py

from pipeline.errors import InputError
from pipeline.storage.recognise import aside

BLOCK = 512
"""Bytes of the seal: what HDF5 calls the user block."""

_BEGINNING = b"cmimh artefact "
_HDF5 = b"\x89HDF\r\n\x1a\n"
_PIECE = 1 << 20

#: (offset, bytes) of arrays that a seal does not cover, in the order of the file
Apart = Sequence[tuple[int, int]]


def image(made: h5py.File, layout: int) -> bytes:
    """The bytes of a file that was put together in memory, sealed."""
    content = made.id.get_file_image()
    return _block(layout, hashlib.sha256(content).hexdigest(), BLOCK + len(content), ()) + content


def seal(path: Path, layout: int, apart: Apart = ()) -> None:
    """Seal a file that was written with a user block of ``BLOCK`` bytes."""
    with path.open("r+b") as file:
        digest = _digest(file, apart)
        block = _block(layout, digest, file.seek(0, os.SEEK_END), apart)
        file.seek(0)
        file.write(block)


def check(path: Path | str, layout: int) -> None:
    """Raise InputError unless the file is sealed, of this layout, and as it was when sealed."""
    with Path(path).open("rb") as file:
        head = file.read(BLOCK)
        if head.startswith(_HDF5):
            raise InputError(
                f"{path}: written in layout 1, or not by this program; this version reads layout "
                f"{layout}; delete the file and run again"
            )
        if not head.startswith(_BEGINNING):
            raise InputError(f"{path}: not a readable HDF5 file of this program{aside(path)}")
        try:
            said = json.loads(head.removeprefix(_BEGINNING).rstrip(b"\0"))
            found, digest, size = said["layout"], said["sha256"], said["bytes"]
            apart = [(int(offset), int(length)) for offset, length in said["apart"]]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise InputError(f"{path}: damaged in its first {BLOCK} bytes") from None
        if found != layout:
            raise InputError(
                f"{path}: written in layout {found!r}, this version reads layout {layout}; "
                "delete the file and run again"
            )
        there = file.seek(0, os.SEEK_END)
        if there != size:
            raise InputError(f"{path}: damaged, it has {there:,} bytes instead of {size!r}")
        if not _in_order(apart, there) or _digest(file, apart) != digest:
            raise InputError(f"{path}: damaged, its SHA-256 is not the one that it was sealed with")


@contextmanager
def streamed(path: Path, mode: str) -> Iterator[tuple[h5py.File, "Written"]]:
    """An HDF5 file that is written block by block; OSError when one could not be written."""
    with path.open("r+b" if mode == "r+" else "w+b", buffering=0) as raw:
        written = Written(raw)
        how: dict[str, Any] = {} if mode == "r+" else {"userblock_size": BLOCK}
        with h5py.File(written, mode, **how) as file:
            yield file, written
        written.check()


class Written(io.RawIOBase):
    """A file for h5py that keeps the first error of writing for ``check`` to raise."""

    def __init__(self, raw: io.FileIO) -> None:
        super().__init__()
        self._raw = raw
        self._fault: OSError | None = None

    def check(self) -> None:
        """Raise what went wrong, if anything did."""
        if self._fault is not None:
            raise OSError(self._fault.errno, os.strerror(self._fault.errno or 0))

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._raw.seek(offset, whence)

    def tell(self) -> int:
        return self._raw.tell()

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and (count := self._raw.readinto(view[done:])):
            done += count
        view[done:] = bytes(len(view) - done)  # what could not be written may be asked for
        return len(view)

    def write(self, data: Any) -> int:
        view = memoryview(data).cast("B")
        done = 0
        while self._fault is None and done < len(view):
            try:
                done += self._put(view[done:])
            except OSError as error:
                self._fault = error
        return len(view)

    def _put(self, data: memoryview) -> int:
        return self._raw.write(data) or 0

    def truncate(self, size: int | None = None) -> int:
        try:
            self._raw.truncate(size)
        except OSError as error:
            self._fault = self._fault or error
        return size or 0

    def flush(self) -> None:
        """Nothing is held back here."""


def _block(layout: int, digest: str, size: int, apart: Apart) -> bytes:
    said = {"layout": layout, "sha256": digest, "bytes": size, "apart": [list(a) for a in apart]}
    block = _BEGINNING + json.dumps(said).encode()
    assert len(block) <= BLOCK
    return block.ljust(BLOCK, b"\0")


def _in_order(apart: Apart, size: int) -> bool:
    """Whether the pieces lie one after the other in the file, so that the digest reads it once."""
    end = BLOCK
    for offset, length in apart:
        if offset < end or length < 0:
            return False
        end = offset + length
    return end <= size


def _digest(file: BinaryIO, apart: Apart) -> str:
    """The SHA-256 of all bytes behind the seal that are not in ``apart``."""
    found = hashlib.sha256()
    start = BLOCK
    for offset, length in (*apart, (file.seek(0, os.SEEK_END), 0)):
        file.seek(start)
        while start < offset and (piece := file.read(min(_PIECE, offset - start))):
            found.update(piece)
            start += len(piece)
        start = offset + length
    return found.hexdigest()
