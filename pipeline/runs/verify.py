"""Are the files still those that the others were made from? Digests recomputed and compared.

And were they made with the same libraries? After an upgrade others may give other last bits.

An HDF5 file holds the paths and digests of its inputs; the ``.json`` beside a result those of the
files that the result was made from and of its own. A digest is recorded by whatever used a file,
so what no other file was made from has none, and neither have the raw files: those are checked by
``python -m pipeline download``.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.storage import store
from pipeline.storage.files import sha256

Provenances = Callable[[str], dict[str, Any]]


def verify(artefacts: Path, results: Path) -> tuple[int, list[str]]:
    """How many records were held against the files, and a sentence for each that differs.

    Paths are as they were recorded: relative ones are meant from the current folder.
    """
    checked, faults = 0, []
    digest, provenance = cache(sha256), cache(store.provenance_of)
    families: dict[str, set[str]] = {}
    for holder, recorded in _records(artefacts, results, provenance):
        if isinstance(recorded, str):
            faults.append(recorded)
            continue
        families[holder] = {holder, *recorded}
        for path, expected in recorded.items():
            checked += 1
            if not Path(path).is_file():
                faults.append(f"{path} is not there; {holder} was made from it")
            elif (found := digest(path)) != expected:
                faults.append(
                    f"{path} is not as it was for {holder}: its SHA-256 is {found}, "
                    f"recorded is {expected}"
                )
    return checked, faults + list(_mixtures(families, provenance))


def _mixtures(families: Mapping[str, set[str]], provenance: Provenances) -> Iterator[str]:
    """A sentence for each library of which a file and what it was made from have several versions.

    families  each file with what it was made from
    """

    def versions(path: str) -> Mapping[str, str]:
        try:
            found: Mapping[str, str] = provenance(path)["libraries"]
        except InputError:  # said already, or raw data of somebody else
            return {}
        return found

    found: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for holder, family in families.items():
        examples: dict[str, dict[str, str]] = {}
        for path in sorted(family):
            for library, number in versions(path).items() if path.endswith(".h5") else ():
                examples.setdefault(library, {})[number] = path
        for library, paths in examples.items():
            if len(paths) > 1:
                said = [f"{number} ({paths[number]})" for number in sorted(paths)]
                found.setdefault((library, *sorted(paths)), []).append((holder, said))
    for (library, *_), cases in found.items():
        holder, said = cases[0]
        more = f" and {len(cases) - 1:,} more" if len(cases) > 1 else ""
        yield (
            f"{holder}{more}: made from files of different versions of {library}, "
            f"{' and '.join(said)}; to have all of one, delete the older ones and run again"
        )


def _records(
    artefacts: Path, results: Path, provenance: Provenances
) -> Iterator[tuple[str, Mapping[str, str] | str]]:
    """Every file that records something, with path -> digest, or with what is wrong with it."""
    for path in sorted(artefacts.rglob("*.h5")):
        try:
            said = provenance(str(path))
        except InputError as error:
            yield str(path), str(error)
        else:
            paths = said["input_paths"]
            yield str(path), {paths[k]: value for k, value in said["inputs"].items() if k in paths}
    for path in sorted(results.rglob("*.json")):
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            own = {str(path.with_name(name)): value for name, value in said["files"].items()}
            yield str(path), {**said["made_from"], **own}
        except (ValueError, KeyError, TypeError, AttributeError):
            yield str(path), f"{path} holds no record of digests; make the result again"
