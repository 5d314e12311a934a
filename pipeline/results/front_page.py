"""What goes on the front page of a run: its results, galleries and assumptions."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from pipeline.names import label
from pipeline.results.gallery import Gallery, gallery
from pipeline.results.report import environment, write_report
from pipeline.storage import store

_TITLE = "Unsupervised cross-modal hashing: CMIMH and what it compares with"


def write_front_page(
    results: Sequence[Path],
    galleries: Sequence[Mapping[str, Any]],
    commented: Path,
    config: Mapping[str, Any],
    run: Mapping[str, Mapping[str, str]],
    path: Path | str,
) -> None:
    """Write the report of ``results`` (the specs beside tables and figures) as one HTML file.

    galleries  see ``plan.galleries``
    commented  the config file with its comments, for what is assumed
    config     what the run used: that file with all overlays
    run        see ``plan.choices``
    """
    specs = [json.loads(file.read_text(encoding="utf-8")) for file in results]
    ending = {"table": ".csv", "rankings": ".csv"}
    outputs = [
        (spec, file.with_suffix(ending.get(spec["kind"], ".svg")))
        for spec, file in zip(specs, results, strict=True)
    ]
    write_report(
        outputs,
        path,
        title=_TITLE,
        method=label(config["reference"]),
        run={**run, **environment()},
        assumptions=assumptions(commented.read_text(encoding="utf-8"), config),
        galleries=[_gallery(entry) for entry in galleries],
    )


def assumptions(commented: str, config: Mapping[str, Any]) -> list[dict[str, str]]:
    """What the config marks ``[open]``: the value used where the paper lost its own, and why.

    The mark stands in the comment behind a value, or in the comment lines right above it.
    """
    places = dict(_places(yaml.compose(commented)))
    found, above = [], ""
    for number, line in enumerate(commented.splitlines()):
        value, _, comment = line.partition("#")
        if not value.strip():
            above = f"{above} {comment.strip()}" if comment else ""
            continue
        for text in (above, comment):
            if "[open]" in text:
                found.append(_assumption(value, text, places.get(number), config))
        above = ""
    return found


def _places(node: yaml.Node, path: tuple[str, ...] = ()) -> Iterator[tuple[int, tuple[str, ...]]]:
    """(line, keys that lead there) of every value of a mapping that can be reached by keys."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield key.start_mark.line, (*path, key.value)
            yield from _places(value, (*path, key.value))


def _assumption(
    value: str, comment: str, place: Sequence[str] | None, config: Mapping[str, Any]
) -> dict[str, str]:
    """The line's choice, unless the run used another: then that one."""
    key, _, choice = value.strip().lstrip("- {").partition(":")
    why = re.sub(r"\s+", " ", comment.partition("[open]")[2]).strip()
    choice, used = choice.strip(), _at(config, place)
    if choice and not isinstance(used, Mapping | None) and used != yaml.safe_load(choice):
        choice = f"{json.dumps(used)} in this run, for {choice}"
    return {"what": key.strip(), "choice": choice, "why": why}


def _at(config: Any, place: Sequence[str] | None) -> Any:
    """The value where the keys lead; None where they lead nowhere."""
    for key in place or ("",):
        config = config.get(key) if isinstance(config, Mapping) else None
    return config


def _gallery(entry: Mapping[str, Any]) -> Gallery:
    (name_a, codes_a), (name_b, codes_b) = entry["codes"].items()
    return gallery(
        store.read_pairs(entry["pairs"]),
        store.read_codes(codes_a),
        store.read_codes(codes_b),
        next(iter(store.read_splits(entry["splits"]).values())),
        names=(name_a, name_b),
        title=entry["title"],
        text=entry["text"],
        queries=entry["queries"],
    )
