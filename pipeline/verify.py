"""Are the files still those that the others were made from? Digests recomputed and compared.

An HDF5 file holds the paths and digests of its inputs; the ``.json`` beside a result those of the
files that the result was made from and of its own. A digest is recorded by whatever used a file,
so what no other file was made from has none, and neither have the raw files: those are checked by
``python -m pipeline download``.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from pipeline import store
from pipeline.errors import InputError
from pipeline.files import sha256


def verify(artefacts: Path, results: Path) -> tuple[int, list[str]]:
    """How many records were held against the files, and a sentence for each that differs.

    Paths are as they were recorded: relative ones are meant from the current folder.
    """
    checked, faults = 0, []
    digest = cache(sha256)
    for holder, recorded in _records(artefacts, results):
        if isinstance(recorded, str):
            faults.append(recorded)
            continue
        for path, expected in recorded.items():
            checked += 1
            if not Path(path).is_file():
                faults.append(f"{path} is not there; {holder} was made from it")
            elif (found := digest(path)) != expected:
                faults.append(
                    f"{path} is not as it was for {holder}: its SHA-256 is {found}, "
                    f"recorded is {expected}"
                )
    return checked, faults


def _records(artefacts: Path, results: Path) -> Iterator[tuple[str, Mapping[str, str] | str]]:
    """Every file that records something, with path -> digest, or with what is wrong with it."""
    for path in sorted(artefacts.rglob("*.h5")):
        try:
            said = store.provenance_of(path)
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
