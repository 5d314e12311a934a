"""Config files as they were written: keys given twice, and what an overlay names itself.

A YAML parser keeps the last of two equal keys without a word, so that half of a long config may be
without effect.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import InputError


def check_keys(path: Path | str) -> None:
    """Raise InputError, with both lines, where a mapping of a config file has a key twice."""
    try:
        root = yaml.compose(Path(path).read_text(encoding="utf-8"), yaml.SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError):
        return  # whoever reads the file says what is wrong with it
    waiting: list[tuple[str, yaml.Node | None]] = [("", root)]
    seen = set()
    while waiting:
        where, node = waiting.pop()
        if node is None or id(node) in seen:  # an alias leads to a node once more
            continue
        seen.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            waiting += [(f"{where}[{i}]", child) for i, child in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            waiting += _children(path, where, node)


def _children(path: Path | str, where: str, node: yaml.MappingNode) -> list[tuple[str, yaml.Node]]:
    lines: dict[tuple[str, str], int] = {}
    children: list[tuple[str, yaml.Node]] = []
    for key, value in node.value:
        name, line = f"{where}.{key.value}".lstrip("."), key.start_mark.line + 1
        known = (key.tag, name)  # 1 and "1" are two keys
        if known in lines:
            raise InputError(
                f"{path}: {name} is given twice, in line {lines[known]} and line {line}"
            )
        lines[known] = line
        children.append((name, value))
    return children


def completed(given: Mapping[str, Any], base: Path | str) -> dict[str, Any]:
    """The config of the file ``base`` with ``given`` on top: mappings merged, lists replaced."""
    return _merged(yaml.safe_load(Path(base).read_text(encoding="utf-8")), given)


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        if isinstance(old, Mapping) and isinstance(value, Mapping):
            value = _merged(old, value)
        merged[key] = value
    return merged


def own_experiments(
    config: Mapping[str, Any], given: Iterable[Path | str | Mapping[str, Any]]
) -> list[str]:
    """The experiments that overlays name, in the config's order; all of it where they name none.

    An overlay is a file, or its content.
    """
    named = {name for overlay in given for name in _experiments(overlay)}
    return [name for name in config["experiments"] if name in named or not named]


def _experiments(overlay: Path | str | Mapping[str, Any]) -> list[str]:
    content = overlay
    if isinstance(overlay, (Path, str)):
        content = yaml.safe_load(Path(overlay).read_text(encoding="utf-8"))
    experiments = content.get("experiments") if isinstance(content, Mapping) else None
    return list(experiments) if isinstance(experiments, Mapping) else []
