"""The pictures that people have, found for names from elsewhere: by path, by name, by number."""

import logging
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from pipeline.datasets._members import open_zip
from pipeline.errors import InputError

_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"}
_LAST_NUMBER = re.compile(r"([0-9]{1,18})[^0-9]*$")
_log = logging.getLogger(__name__)


def find_pictures(raw: Path, images: str, wanted: Sequence[str], what: str) -> list[str]:
    """A reference below ``raw`` for each of ``wanted``, in the folder or archive ``images``.

    A picture is found by its whole path below ``images``, else by its last two folders and name,
    its name, its name without ending, or the last number in its name, whichever first leads to
    one picture. What is not found is counted and named, and keeps the path it was asked by.
    """
    there = list_pictures(raw, images)
    if there is None:
        raise InputError(f"{raw / images}: no such folder or archive of pictures")
    found: list[str | None] = [None] * len(wanted)
    for key in KEYS:
        if None not in found:
            break
        places = defaultdict(list)
        for place in there:
            places[key(place)].append(place)
        keys = {name: key(name) for name in wanted}
        asked = Counter(keys.values())
        for i, name in enumerate(wanted):
            here = places.get(keys[name], []) if found[i] is None else []
            if len(here) == 1 and asked[keys[name]] == 1 and keys[name] is not None:
                found[i] = here[0]
    missing = [name for name, place in zip(wanted, found, strict=True) if place is None]
    if len(missing) == len(wanted):
        raise InputError(
            f"{raw / images}: none of the {len(wanted):,} pictures that {what} names is there, "
            f"such as {missing[0]!r}, among {len(there):,} files"
        )
    if missing:
        _log.warning(
            "%s: %s of %s pictures that %s names are not there: %s%s",
            *(raw / images, f"{len(missing):,}", f"{len(wanted):,}", what),
            *(", ".join(missing[:5]), " and so on" if len(missing) > 5 else ""),
        )
    below = "" if images in ("", ".") else f"{images}/"
    return [below + (place or _safe(name)) for name, place in zip(wanted, found, strict=True)]


def list_pictures(raw: Path, images: str) -> list[str] | None:
    """The picture files of a folder, an archive or a folder in one; None where there is none."""
    parts = PurePosixPath(images).parts
    for depth in range(1, len(parts) + 1):
        archive = raw.joinpath(*parts[:depth])
        if archive.suffix.lower() == ".zip" and archive.is_file():
            inside = "".join(f"{part}/" for part in parts[depth:])
            with open_zip(archive) as file:
                names = [n for n in file.namelist() if n.startswith(inside)]
            return sorted(n[len(inside) :] for n in names if _is_picture(n))
    if not (raw / images).is_dir():
        return None
    paths = (raw / images).rglob("*")
    return sorted(p.relative_to(raw / images).as_posix() for p in paths if _is_picture(p.name))


def number(name: str) -> int | None:
    """The last number in the name of a file: 0001_2124494179.jpg is photo 2124494179."""
    found = _LAST_NUMBER.search(_stem(name))
    return int(found[1]) if found else None


def _is_picture(name: str) -> bool:
    return name[name.rfind(".") :].lower() in _SUFFIXES


def _whole(name: str) -> str:
    return "/".join(part for part in _parts(name) if part != ".")


def _end(name: str) -> str:
    return "/".join(_parts(name)[-2:])


def _name(name: str) -> str:
    return _parts(name)[-1]


def _stem(name: str) -> str:
    return _name(name).rpartition(".")[0] or _name(name)


def _parts(name: str) -> list[str]:
    return name.replace("\\", "/").split("/")


def _safe(name: str) -> str:
    """The path without what would lead out of the folder."""
    return "/".join(part for part in _parts(name) if part not in ("", ".", ".."))


KEYS: tuple[Callable[[str], str | int | None], ...] = (_whole, _end, _name, _stem, number)
"""What a picture may be known by, the most telling first."""
