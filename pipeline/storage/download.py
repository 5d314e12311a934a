"""Bring raw files to this machine: verified files under their names, or one sentence why not.

``fetch`` resumes, retries with back-off, tries mirrors in order and renames a file into place only
when its size and digest are right. A file that was put there by hand is verified and used.
"""

import hashlib
import json
import logging
import os
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import requests

from pipeline.errors import InputError
from pipeline.storage import transfer
from pipeline.storage.files import hold, write_text
from pipeline.storage.transfer import PermanentError, RetryPolicy, TransientError

_log = logging.getLogger(__name__)
DIGESTS = "digests.json"
_USUAL = RetryPolicy()


@dataclass(frozen=True)
class Remote:
    """A file that can be had from elsewhere.

    name    under which it is stored
    urls    of its mirrors, tried in order
    size    in bytes, where published
    digest  'md5:<hex>' or 'sha256:<hex>', where published; otherwise the SHA-256 of the first copy
            seen is recorded in ``digests.json`` beside it, and held against every later one
    note    a sentence for whoever has to get the file by hand
    """

    name: str
    urls: tuple[str, ...]
    size: int | None = None
    digest: str | None = None
    note: str = ""


def fetch(remote: Remote, folder: Path | str, *, retry: RetryPolicy = _USUAL) -> Path:
    """The path of ``remote`` in ``folder``, after downloading it when it is not there.

    Raises InputError when a file of that name is there and is not the right one (it is left as it
    is), or when no mirror gives the right file (what has arrived is kept to go on from).
    """
    target = Path(folder) / remote.name
    if target.exists():
        return _accept(remote, target)
    target.parent.mkdir(parents=True, exist_ok=True)
    with _part(target) as part:
        if target.exists():  # another process brought it while we waited for its lock
            part.unlink()
            return _accept(remote, target)
        _download(remote, part, retry)
        _record(remote, part, target.parent)
        part.replace(target)
        transfer.forget(part)
    _log.info("%s: downloaded and verified", target)
    return target


def _download(remote: Remote, part: Path, retry: RetryPolicy) -> None:
    """Fill ``part`` with the right bytes from the first mirror that gives them."""
    if part.stat().st_size == remote.size and _fault(remote, part, part.parent) is None:
        return  # an earlier run was cut off between the last byte and the renaming
    reasons = []
    with requests.Session() as session:
        for url in remote.urls:
            try:
                _from_mirror(session, url, remote, part, retry)
                return
            except (PermanentError, TransientError) as failure:
                _log.info("%s: %s", url, failure)
                reasons.append(f"{url} ({failure})")
    raise InputError(_nowhere(remote, reasons, part.parent))


def _from_mirror(
    session: requests.Session, url: str, remote: Remote, part: Path, retry: RetryPolicy
) -> None:
    """Attempts until the file is whole and right; attempts that bring something are not counted."""
    known = _expected(remote, part.parent) is not None
    furthest, failures = part.stat().st_size, 0
    while True:
        try:
            fresh = transfer.attempt(
                session, url, part, size=remote.size, digest_known=known, retry=retry
            )
        except TransientError as failure:
            arrived = part.stat().st_size
            failures = 0 if arrived > furthest else failures + 1
            furthest = max(furthest, arrived)
            if failures >= retry.attempts:
                raise
            _wait(failure, failures, url, retry)
            continue
        wrong = _fault(remote, part, part.parent)
        if wrong is None:
            return
        transfer.discard(part)
        if fresh:
            raise PermanentError(f"gives a file that {wrong}")
        _log.info("%s: the completed file %s; starting over", url, wrong)


def _wait(failure: TransientError, failures: int, url: str, retry: RetryPolicy) -> None:
    asked = failure.wait or 0.0
    if asked > retry.longest:
        raise PermanentError(f"{failure}, and asks to wait {asked:.0f} s") from None
    pause = max(asked, min(retry.longest, retry.backoff * 2 ** max(0, failures - 1)))
    _log.info("%s: %s; trying again in %.1f s", url, failure, pause)
    time.sleep(pause)


@contextmanager
def _part(target: Path) -> Iterator[Path]:
    """The file that collects what arrives, held by one process at a time."""
    part = target.with_name(f".{target.name}.part")
    with part.open("ab") as file:
        hold(file, target)
        part.touch()  # whoever held the lock before may have renamed the file away
        yield part


# --- verification ---------------------------------------------------------------------------------


def _accept(remote: Remote, target: Path) -> Path:
    """A file that is there already, if it is the right one."""
    wrong = _fault(remote, target, target.parent)
    if wrong is not None:
        raise InputError(
            f"{target} {wrong}; it was left as it is: move it away to download it again, "
            "or put the right file in its place"
        )
    _record(remote, target, target.parent)
    return target


def _fault(remote: Remote, path: Path, folder: Path) -> str | None:
    """What is wrong with the file at ``path``, as a predicate, or None."""
    size = path.stat().st_size
    if remote.size is not None and size != remote.size:
        return f"has {size:,} bytes instead of {remote.size:,}"
    expected = _expected(remote, folder)
    if expected is None:
        return _shape_fault(remote.name, path)
    algorithm, _, value = expected.partition(":")
    found = _digest(path, algorithm)
    return None if found == value else f"has the {algorithm} {found} instead of {value}"


def _shape_fault(name: str, path: Path) -> str | None:
    """A first check where no digest is known: dead hosts like to answer with a web page."""
    if name.endswith(".zip") and not zipfile.is_zipfile(path):
        return "is not a whole zip archive"
    if name.endswith(".rar"):
        with path.open("rb") as file:
            if file.read(4) != b"Rar!":
                return "is not a rar archive"
    return None


def _digest(path: Path, algorithm: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(
            file, partial(hashlib.new, algorithm, usedforsecurity=False)
        ).hexdigest()


def _expected(remote: Remote, folder: Path) -> str | None:
    """The published digest, else the one recorded at first use."""
    return remote.digest or _recorded(folder).get(remote.name)


def _recorded(folder: Path) -> dict[str, str]:
    path = folder / DIGESTS
    if not path.exists():
        return {}
    try:
        recorded = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        recorded = None
    if not isinstance(recorded, dict):
        raise InputError(f"{path}: not the JSON object of file names and digests it should be")
    return recorded


def _record(remote: Remote, path: Path, folder: Path) -> None:
    """Note the digest of a file for which none is published, when it is seen first."""
    if remote.digest is not None or remote.name in _recorded(folder):
        return
    value = f"sha256:{_digest(path, 'sha256')}"
    handle = os.open(folder, os.O_RDONLY)
    try:
        hold(handle, folder)  # several files of a folder may arrive at once
        recorded = _recorded(folder) | {remote.name: value}
        write_text(folder / DIGESTS, json.dumps(recorded, indent=2, sort_keys=True) + "\n")
    finally:
        os.close(handle)
    _log.info("%s: no digest is published; recorded %s in %s", remote.name, value, DIGESTS)


def _nowhere(remote: Remote, reasons: list[str], folder: Path) -> str:
    size = "size not published" if remote.size is None else f"{remote.size:,} bytes"
    digest = remote.digest or "digest not published"
    tried = "; ".join(reasons) or "no address is known"
    note = f" ({remote.note})" if remote.note else ""
    return (
        f"{remote.name} ({size}, {digest}) could not be downloaded: {tried}; "
        f"put a copy of it into {folder} and run again{note}"
    )
