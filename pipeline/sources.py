"""Which of our own source files a stage runs, found by following its imports.

Snakemake reruns a job when one of its inputs changed. Rules list these files as inputs, so editing
a method reruns that method's jobs and no other's, without anyone keeping lists by hand.
"""

import ast
import hashlib
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def sources(*modules: str) -> list[str]:
    """The files of ``modules`` (such as ``pipeline.splits``) and of all of ours they import."""
    found: dict[str, Path] = {}
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        path = _path(module)
        if path is not None and module not in found:
            found[module] = path
            waiting += _imports(path)
    return sorted(str(path) for path in found.values())


def digest(*modules: str) -> str:
    """The SHA-256 of ``sources(*modules)``: which version of the program is at work."""
    found = hashlib.sha256()
    for path in sources(*modules):
        found.update(Path(path).read_bytes())
    return found.hexdigest()


def uses(module: str, library: str) -> bool:
    """True when ``module``, or one of ours that it imports, imports ``library``."""
    return any(
        name.split(".")[0] == library for path in sources(module) for name in _imports(Path(path))
    )


@cache
def _imports(path: Path) -> list[str]:
    """Every dotted name that a file imports anywhere; of ``from a import b``, ``a`` and ``a.b``."""
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def _path(module: str) -> Path | None:
    first, *rest = module.split(".")
    if first != PACKAGE.name:
        return None
    path = PACKAGE.joinpath(*rest)
    candidates = (path / "__init__.py", path.with_suffix(".py"))
    return next((c for c in candidates if c.is_file()), None)
