"""The 500-d bags of SIFT words that were published with NUS-WIDE."""

import logging
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from pipeline.datasets.nuswide import LOW_LEVEL, OPTIONAL_FILES
from pipeline.errors import InputError
from pipeline.storage.store import Pairs, Provenance, feature_writer

WORDS = 500
NAME = "BoW_int.dat"
_BLOCK = 4096
_log = logging.getLogger(__name__)


def write(pairs: Pairs, *, path: Path | str, provenance: Provenance) -> dict[str, Any]:
    """The 500-d bags of SIFT words of the pairs of NUS-WIDE, as counts."""
    rows = _official_rows(pairs)
    with feature_writer(path, (len(rows), WORDS), provenance) as writer:
        first = 0
        for block in sift_bow(Path(pairs.image_root), rows):
            writer.write(slice(first, first + len(block)), block)
            first += len(block)
    return {}


def _official_rows(pairs: Pairs) -> np.ndarray:
    try:
        return np.array([int(name) for name in pairs.ids])
    except ValueError:
        raise InputError(
            f"SIFT words are published for NUS-WIDE only; {pairs.ids[0]!r} is no row of its lists"
        ) from None


def sift_bow(raw: Path, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Blocks of float32 (m, 500): the counts of SIFT words of the images in these rows.

    rows  ascending indices into the 269,648 rows of the official lists

    Read from ``BoW_int.dat`` wherever it was extracted below ``raw``, else out of the archive by
    the first extractor found. Stray columns after the 500 are ignored. Raises InputError.
    """
    with _open(Path(raw)) as file:
        wanted = _select(file, rows)
        done = 0
        while done < len(rows):
            lines = list(islice(wanted, _BLOCK))
            if not lines:
                raise InputError(f"{NAME}: ends before row {rows[done] + 1:,}, which is needed")
            yield _parse(lines, rows[done : done + len(lines)])
            done += len(lines)


def _select(file: IO[bytes], rows: np.ndarray) -> Iterator[bytes]:
    ahead = iter(rows.tolist())
    row = next(ahead, None)
    for number, line in enumerate(file):
        if number == row:
            yield line
            row = next(ahead, None)


def _parse(lines: list[bytes], rows: np.ndarray) -> np.ndarray:
    text = [line.decode("ascii", "replace") for line in lines]
    try:
        block = np.loadtxt(text, np.float32, usecols=range(WORDS), ndmin=2, comments=None)
    except ValueError:
        block = np.empty((0, WORDS), np.float32)
    if len(block) != len(lines) or not np.isfinite(block).all():
        raise InputError(
            f"{NAME}, lines {rows[0] + 1} to {rows[-1] + 1}: one of them does not hold "
            f"{WORDS} numbers"
        )
    return block


@contextmanager
def _open(raw: Path) -> Iterator[IO[bytes]]:
    places = (
        raw / NAME,
        raw / "Low_Level_Features" / NAME,
        raw / "NUS_WID_Low_Level_Features" / NAME,
    )
    archive = raw / LOW_LEVEL
    if path := next((p for p in places if p.is_file()), None):
        with path.open("rb") as file:
            yield file
    elif archive.is_file():
        with _unpacked(archive) as file:
            yield file
    else:
        urls = " or ".join(OPTIONAL_FILES["sift_bow"][0].urls)
        raise InputError(
            f"{archive}: no such file; download it from {urls}, or put {NAME} into {raw}"
        )


@contextmanager
def _unpacked(archive: Path) -> Iterator[IO[bytes]]:
    """The file as it comes out of an extractor, without a copy on disk."""
    command = _extractor(archive.absolute())
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        finally:
            process.kill()  # once the last row needed is read, the rest need not be unpacked


def _extractor(archive: Path) -> list[str]:
    member = f"*{NAME}"
    commands = {
        "bsdtar": ["-xOf", str(archive), member],
        "7zz": ["e", "-so", "-r", str(archive), NAME],
        "7z": ["e", "-so", "-r", str(archive), NAME],
        "unrar": ["p", "-inul", str(archive), member],
    }
    for program, arguments in commands.items():
        if path := shutil.which(program):
            return [path, *arguments]
    raise InputError(
        f"{archive}: reading a rar archive needs one of {', '.join(commands)}, and none is "
        f"installed; or extract {NAME} by hand into {archive.parent}"
    )
