"""One attempt to bring one file over HTTP, going on where an earlier attempt stopped.

What has arrived so far lies in a part file; beside it a small JSON file remembers which answer of
which server it belongs to, so that bytes of two different files are never joined.
"""

import json
import os
import re
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from io import FileIO
from pathlib import Path
from typing import Any

import requests
from tqdm import tqdm

from pipeline.errors import InputError
from pipeline.storage.files import write_text

_CHUNK = 64 * 1024
_PASSING = {408, 425, 429, 500, 502, 503, 504}


@dataclass(frozen=True)
class RetryPolicy:
    """How long a download waits, in seconds, and how often it tries.

    connect, stall  without a connection, without a byte
    attempts        in a row that bring nothing new, per mirror
    backoff         before the second attempt; doubled before each further one
    longest         the longest wait between two attempts, whatever a server asks for
    """

    connect: float = 15
    stall: float = 60
    attempts: int = 6
    backoff: float = 1
    longest: float = 120


class TransientError(Exception):
    """An attempt failed in a way that may pass; ``wait`` is what the server asked for."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class PermanentError(Exception):
    """An attempt failed in a way that trying again does not mend."""


def attempt(
    session: requests.Session,
    url: str,
    part: Path,
    *,
    size: int | None,
    digest_known: bool,
    retry: RetryPolicy,
) -> bool:
    """Bring what is missing of ``url`` into ``part``; True when all was brought in one go.

    size          of the whole file in bytes, when it is known beforehand
    digest_known  the caller can tell a wrong file, so a part from elsewhere may be completed

    Raises TransientError or PermanentError, each with a short reason.
    """
    try:
        return _attempt(session, url, part, size, digest_known, retry)
    except requests.exceptions.SSLError:
        raise PermanentError("its TLS certificate cannot be verified") from None
    except requests.exceptions.TooManyRedirects:
        raise PermanentError("redirects without end") from None
    except requests.exceptions.Timeout:
        raise TransientError(f"silent for {retry.stall:g} s") from None
    except (requests.exceptions.InvalidSchema, requests.exceptions.InvalidURL):
        raise PermanentError("leads to an address that is not HTTP") from None
    except requests.exceptions.RequestException as error:
        raise TransientError(_short(error)) from None


def _attempt(
    session: requests.Session,
    url: str,
    part: Path,
    size: int | None,
    digest_known: bool,
    retry: RetryPolicy,
) -> bool:
    start, headers = _resume(url, part, digest_known)
    if size is not None and start >= size:
        start, headers = 0, {}
    headers["Accept-Encoding"] = "identity"
    wait = (retry.connect, retry.stall)
    with session.get(url, headers=headers, stream=True, timeout=wait) as answer:
        _check_status(answer, part)
        if answer.status_code == 206:
            total: int | None = _continued(answer, part, start, size)
        else:
            start, total = 0, _announced(answer, size, digest_known)
            _remember(answer, url, part)
        _receive(answer, part, start, total)
    return start == 0


def _check_status(answer: requests.Response, part: Path) -> None:
    code = answer.status_code
    if code in (200, 206):
        return
    reason = f"{code} {answer.reason or ''}".strip()
    if code == 416:
        discard(part)
        raise TransientError("refused to go on from where the transfer stopped")
    if code in _PASSING:
        raise TransientError(reason, _retry_after(answer.headers.get("Retry-After", "")))
    raise PermanentError(reason)


def _continued(answer: requests.Response, part: Path, start: int, size: int | None) -> int:
    """The whole file's length from an answer that goes on at ``start``, or start over."""
    found = re.fullmatch(
        r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18})", answer.headers.get("Content-Range", "")
    )
    first, last, total = map(int, found.groups()) if found else (-1, -1, -1)
    etags = {answer.headers.get("ETag"), _memory(part).get("etag")} - {None}
    if (
        start == 0
        or first != start
        or last != total - 1
        or size not in (None, total)
        or len(etags) > 1
    ):
        discard(part)
        raise TransientError("answered with another range than the one asked for")
    return total


def _announced(answer: requests.Response, size: int | None, digest_known: bool) -> int | None:
    """The length of the body to come; refuses one that is known to be wrong."""
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise PermanentError("sends an encoded copy instead of the file itself")
    told = answer.headers.get("Content-Length", "")
    length = int(told) if re.fullmatch(r"[0-9]{1,18}", told) else None
    if size is not None and length not in (None, size):
        raise PermanentError(f"offers {length:,} bytes instead of {size:,}")
    chunked = "chunked" in answer.headers.get("Transfer-Encoding", "")
    if size is None and length is None and not digest_known and not chunked:
        raise PermanentError("does not say how long the file is, so a cut would go unnoticed")
    return size if length is None else length


def _receive(answer: requests.Response, part: Path, start: int, total: int | None) -> None:
    with part.open("r+b", buffering=0) as file:
        file.truncate(start)
        file.seek(start)
        _copy(answer, file, start, total, part.name.removesuffix(".part").lstrip("."))
        os.fsync(file.fileno())
        end = file.tell()
    if total is not None and end != total:
        raise TransientError(f"the connection ended after {end:,} of {total:,} bytes")


def _copy(
    answer: requests.Response, file: FileIO, start: int, total: int | None, name: str
) -> None:
    bar = tqdm(
        desc=name, total=total, initial=start, unit="B", unit_scale=True, unit_divisor=1024,
        mininterval=1,
    )  # fmt: skip
    with bar:
        for block in answer.iter_content(_CHUNK):
            if total is not None and file.tell() + len(block) > total:
                discard(Path(file.name))
                raise PermanentError(f"sends more than the {total:,} bytes it should")
            _write(file, block)
            bar.update(len(block))


def _write(file: FileIO, block: bytes) -> None:
    rest = memoryview(block)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError as error:
        raise InputError(
            f"{file.name}: cannot be written ({error.strerror}); what has arrived is kept"
        ) from None


# --- what is remembered of the answer that a part file belongs to ---------------------------------


def discard(part: Path) -> None:
    """Empty the part file, keeping it in place: others may hold a lock on it."""
    os.truncate(part, 0)
    _sidecar(part).unlink(missing_ok=True)


def forget(part: Path) -> None:
    """Remove what is remembered of a part file that is done with."""
    _sidecar(part).unlink(missing_ok=True)


def _sidecar(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _memory(part: Path) -> dict[str, Any]:
    try:
        memory = json.loads(_sidecar(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return memory if isinstance(memory, dict) else {}


def _remember(answer: requests.Response, url: str, part: Path) -> None:
    discard(part)
    etag, modified = answer.headers.get("ETag"), answer.headers.get("Last-Modified")
    write_text(_sidecar(part), json.dumps({"url": url, "etag": etag, "modified": modified}))


def _resume(url: str, part: Path, digest_known: bool) -> tuple[int, dict[str, str]]:
    """Where to go on, and the request headers that make sure it is the same file."""
    start, memory = part.stat().st_size, _memory(part)
    etag = memory.get("etag") or ""
    validator = memory.get("modified") if etag.startswith("W/") or not etag else etag
    if start and validator and memory.get("url") == url:
        return start, {"Range": f"bytes={start}-", "If-Range": validator}
    if start and digest_known:
        forget(part)  # an ETag of another mirror must not be held against this one
        return start, {"Range": f"bytes={start}-"}
    return 0, {}


def _retry_after(text: str) -> float | None:
    """Seconds to wait from a Retry-After header: a number, or a date."""
    if text.strip().isdecimal():
        return float(text)
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return None


def _short(error: requests.RequestException) -> str:
    text = str(error)
    known = {
        "timed out": "silent for too long",
        "NameResolutionError": "host name not found",
        "Connection refused": "connection refused",
        "Network is unreachable": "network unreachable",
        "IncompleteRead": "the connection broke off",
        "Connection broken": "the connection broke off",
        "reset by peer": "the connection broke off",
        "closed connection": "the connection broke off",
    }
    return next((short for sign, short in known.items() if sign in text), type(error).__name__)
