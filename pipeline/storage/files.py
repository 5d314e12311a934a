"""Files that appear whole or not at all."""

import fcntl
import glob
import hashlib
import json
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pipeline.errors import InputError
from pipeline.storage.recognise import aside

log = logging.getLogger(__name__)


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Give a temporary path beside ``path``; on success make it durable and rename it to ``path``.

    Until the rename nothing stands under the final name that was not there before, whatever the
    moment of a kill. On an exception the temporary file is removed and ``path`` stays as it was.
    What a killed process of this machine left beside ``path`` is removed first.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    machine = f".{path.name}.{socket.gethostname()}-"
    _sweep(path.parent, machine)
    handle, name = tempfile.mkstemp(
        prefix=f"{machine}{os.getpid()}.", suffix=".part", dir=path.parent
    )
    os.close(handle)
    part = Path(name)
    try:
        yield part
        _sync(part)
        part.chmod(0o666 & ~umask())
        part.replace(path)
        _sync(path.parent)
    except OSError as error:
        if error.errno and error.filename is None:  # a failed write does not know its file
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)


@dataclass(frozen=True)
class PartialFile:
    """A file that several attempts may fill: where it grows, how far it came, how to note more.

    path  what has been written so far; does not exist when ``done`` is 0
    keep  call it with a count once all up to there is in ``path``: a later attempt goes on there
    """

    path: Path
    done: int
    keep: Callable[[int], None]


@contextmanager
def resumable_write(
    path: Path | str, of: str, finished: Callable[[], int]
) -> Iterator[PartialFile]:
    """Like ``atomic_write``, but the next attempt goes on from what a killed one has kept.

    of        says what is being made; what was kept of something else is thrown away
    finished  asked when another process held the file until now: how much of it is right in
              ``path``, which becomes the attempt

    One process at a time works on a file, others wait: the job of a killed workflow may live on.
    After an InputError nothing is kept, since what is at fault may be mended in parts done already.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part, notes, lock = (path.with_name(f".{path.name}.{e}") for e in ("kept", "kept.json", "lock"))

    def keep(done: int) -> None:
        _sync(part)
        write_text(notes, json.dumps({"of": of, "done": done}))

    with _lock(lock) as waited:
        done = _kept(part, notes, of)
        if waited and path.exists() and (done := finished()):
            path.replace(part)
        if not done:
            part.unlink(missing_ok=True)
        try:
            yield PartialFile(part, done, keep)
        except InputError:
            part.unlink(missing_ok=True)
            notes.unlink(missing_ok=True)
            raise
        _sync(part)
        part.replace(path)
        _sync(path.parent)
        notes.unlink(missing_ok=True)


def _kept(part: Path, notes: Path, of: str) -> int:
    """How much of the file ``of`` an earlier attempt has left."""
    try:
        found = json.loads(notes.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 0
    return found["done"] if found.get("of") == of and part.exists() else 0


def hold(file: IO[bytes] | int, path: Path) -> bool:
    """Lock an open file until it is closed; whether there was another process to wait for.

    Where the file system knows no locks, there is nothing to hold.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        log.info("%s: another process is at work on this file; waiting for it", path)
        fcntl.flock(file, fcntl.LOCK_EX)
        return True
    except OSError as error:
        log.info("%s: cannot be locked (%s)", path, error.strerror)
    return False


@contextmanager
def _lock(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path``; whether there was another process to wait for."""
    waited = False
    while True:
        with path.open("ab") as file:
            waited |= hold(file, path)
            if not _is_at(file.fileno(), path):
                continue  # whoever held it has removed it
            try:
                yield waited
            finally:
                path.unlink(missing_ok=True)
            return


def _is_at(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def read_json(path: Path | str) -> Any:
    """What a JSON file holds; InputError when it holds something else."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not a JSON file: {error}{aside(path)}") from None


def write_text(path: Path | str, text: str) -> None:
    """Write ``text`` as UTF-8 with ``\\n`` line ends, whole or not at all."""
    with atomic_write(path) as part:
        part.write_text(text, encoding="utf-8", newline="\n")


def sha256(path: Path | str) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def alive(process: int) -> bool:
    """True when a process of this number runs on this machine.

    One that has ended, but which its parent has not yet taken note of, does not run.
    """
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's, which /proc may not describe
        return True
    if not sys.platform.startswith("linux"):
        return True
    try:
        state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:  # it ended meanwhile
        return False
    return state not in (b"Z", b"X")


def _sweep(folder: Path, machine: str) -> None:
    """Remove temporary files whose writers are gone."""
    for left in folder.glob(f"{glob.escape(machine)}*.part"):
        writer = left.name.removeprefix(machine).split(".")[0]
        if writer.isdecimal() and not alive(int(writer)):
            left.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def umask() -> int:
    """The permissions that this process takes from the files it makes."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
