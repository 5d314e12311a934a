"""What a result was made from, kept as ``.json`` beside it: its spec, files and their digests."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipeline.storage.files import sha256, write_text

_ENDINGS = (".csv", ".md", ".tex", ".html", ".png", ".svg")


def endings(kind: str) -> tuple[str, ...]:
    """Of the files that a result of this kind leaves, the data first."""
    views = {"table": ("md", "tex"), "rankings": ("md", "html")}
    return ("csv", *views.get(kind, ("png", "svg")))


def write_record(result: Path, spec: Mapping[str, Any]) -> None:
    """Write the record of a result; ``result`` is any of its files."""
    write_text(result.with_suffix(".json"), json.dumps(record_of(result, spec), indent=1) + "\n")


def record_of(result: Path, spec: Mapping[str, Any]) -> dict[str, Any]:
    """A result's spec, and the digests of what it was made from and of its own files.

    result  one of its files; the others have the same name but for the ending
    """
    own = [path for end in _ENDINGS if (path := result.with_suffix(end)).is_file()]
    return {
        **spec,
        "made_from": {path: sha256(path) for path in cell_files(spec)},
        "files": {path.name: sha256(path) for path in own},
    }


def cell_files(spec: Mapping[str, Any]) -> list[str]:
    """What a result is made from: its cells' metrics, and their codes where it looks into them.

    Rankings are made from tables.
    """
    if "tables" in spec:
        return [table["file"] for table in spec["tables"].values()]
    looks = spec["kind"] == "histogram" or {"TC", "partners"} & set(spec["metrics"])
    keys = ("metrics_file", "codes_file") if looks else ("metrics_file",)
    return [cell[key] for cell in spec["cells"] if "missing" not in cell for key in keys]
