"""The report of a run: which results, galleries and assumptions go on the front page."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline import store
from pipeline.results.gallery import Gallery, gallery
from pipeline.results.report import environment, write_report

_TITLE = "Unsupervised cross-modal hashing: CMIMH and what it compares with"


def write_front_page(
    results: Sequence[Path],
    galleries: Sequence[Mapping[str, Any]],
    config: Path,
    path: Path | str,
) -> None:
    """Write the report of ``results`` (the specs beside tables and figures) as one HTML file.

    galleries  see ``plan.galleries``; config: the commented config file
    """
    specs = [json.loads(file.read_text(encoding="utf-8")) for file in results]
    ending = {"table": ".csv"}
    outputs = [
        (spec, file.with_suffix(ending.get(spec["kind"], ".svg")))
        for spec, file in zip(specs, results, strict=True)
    ]
    write_report(
        outputs,
        path,
        title=_TITLE,
        run=environment(),
        assumptions=assumptions(config.read_text(encoding="utf-8")),
        galleries=[_gallery(entry) for entry in galleries],
    )


def assumptions(config: str) -> list[dict[str, str]]:
    """What the config marks ``[open]``: the value chosen where the paper lost its own, and why.

    The mark stands in the comment behind a value, or in the comment lines right above it.
    """
    found, above = [], ""
    for line in config.splitlines():
        value, _, comment = line.partition("#")
        if not value.strip():
            above = f"{above} {comment.strip()}" if comment else ""
            continue
        for text in (above, comment):
            if "[open]" in text:
                found.append(_assumption(value, text))
        above = ""
    return found


def _assumption(value: str, comment: str) -> dict[str, str]:
    key, _, choice = value.strip().lstrip("- {").partition(":")
    why = re.sub(r"\s+", " ", comment.partition("[open]")[2]).strip()
    return {"what": key.strip(), "choice": choice.strip(), "why": why}


def _gallery(entry: Mapping[str, Any]) -> Gallery:
    (name_a, codes_a), (name_b, codes_b) = entry["codes"].items()
    return gallery(
        store.read_pairs(entry["pairs"]),
        store.read_codes(codes_a),
        store.read_codes(codes_b),
        next(iter(store.read_splits(entry["splits"]).values())),
        names=(name_a, name_b),
        title=entry["title"],
        queries=entry["queries"],
    )
