"""What the site has beside the pages of this folder: hooks of mkdocs, for `make site`.

Pages that stand elsewhere (README.md is the front page) are taken in as they are, so that nothing
is kept twice; pages of the reference are written from the parsers, the schema and the metrics. A
link that leads to a file which is no page becomes the file's name.
"""

import argparse
import json
import posixpath
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import griffe
import yaml
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from pipeline.cli import console, stages
from pipeline.results import registry

ROOT = Path(__file__).resolve().parents[1]
#: a file of the project -> its page
TAKEN_IN = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "config/README.md": "workflow.md",
}
TAKEN_IN |= {
    path.relative_to(ROOT).as_posix(): path.relative_to(ROOT).as_posix()
    for path in sorted((ROOT / "benchmarks").glob("re*/*.md"))
}
METRICS = ("mAP@1000", "mAP@all", "mAP@1000:min", "mAP@1000:total", "mAP@1000:stable",
           "mAP@1000:optimistic", "mAP@1000:pessimistic", "P@100", "R@1", "R@1:instance", "MedR",
           "MeanR", "TC", "corr_mse", "partners")  # fmt: skip


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are no Markdown files of this folder."""
    pages = {place: (ROOT / name).read_text(encoding="utf-8") for name, place in TAKEN_IN.items()}
    pages["reference/cli.md"] = cli_page()
    pages["reference/configuration.md"] = configuration_page()
    for file in [f for f in files if f.src_uri.endswith(".ipynb")]:
        files.remove(file)
        cells = json.loads(Path(str(file.abs_src_path)).read_text(encoding="utf-8"))["cells"]
        pages[file.src_uri.replace(".ipynb", ".md")] = notebook_page(cells)
    for place, text in pages.items():
        files.append(File.generated(config, place, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Links as they have to be on the site."""
    place = page.file.src_uri
    source = next((name for name, taken in TAKEN_IN.items() if taken == place), f"docs/{place}")
    return relinked(markdown, source, place)


def relinked(text: str, source: str, place: str) -> str:
    """``text`` with the relative links of the file ``source`` made those of the page ``place``.

    source, place  paths in the project and in the site
    """

    def link(match: re.Match[str]) -> str:
        mark, shown, target, anchor = (group or "" for group in match.groups())
        path = posixpath.normpath(posixpath.join(posixpath.dirname(source), target))
        page = TAKEN_IN.get(path, path.removeprefix("docs/") if path.startswith("docs/") else "")
        if not page:
            return f"`{path}`" if shown.strip("`") == path else f"{shown} (`{path}`)"
        page = posixpath.relpath(page.replace(".ipynb", ".md"), posixpath.dirname(place) or ".")
        return f"{mark}[{shown}]({page}{anchor})"

    return re.sub(r"(!?)\[([^\]\[]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)", link, text)


# --- pages that are written -----------------------------------------------------------------------


def notebook_page(cells: list[dict[str, Any]]) -> str:
    """A notebook's texts, code and printed output."""
    parts = []
    for cell in cells:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        printed = "".join("".join(out.get("text", ())) for out in cell["outputs"]).rstrip()
        parts += [f"```text\n{printed}\n```"] if printed else []
    return "\n\n".join(parts) + "\n"


def cli_page() -> str:
    """Every command of both command lines, from their parsers."""
    parts = [
        "# The command line",
        "`cmimh` is the command for people. `python -m pipeline` has the stages that the workflow "
        "runs; each can be run alone.",
    ]
    for parser in (console.parser(), stages.parser()):
        parts += [f"## `{parser.prog}`", *(_command(sub) for sub in _commands(parser))]
    return "\n\n".join(parts) + "\n"


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parsers of all commands that can be run, depth first."""
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    if not groups:
        yield parser
    for group in groups:
        for sub in group.choices.values():
            yield from _commands(sub)


def _command(parser: argparse.ArgumentParser) -> str:
    rows = [_argument(a) for a in parser._actions if not isinstance(a, argparse._HelpAction)]
    table = ["| argument | meaning | default |", "|---|---|---|", *rows] if rows else []
    about = parser.description or ""
    about = f"{about[:1].upper()}{about[1:]}."
    return "\n\n".join([f"### `{parser.prog}`", about, "\n".join(table)])


def _argument(action: argparse.Action) -> str:
    metavar = action.metavar or ("" if action.nargs == 0 else action.dest.upper())
    if action.choices:
        metavar = " \\| ".join(map(str, action.choices))
    many = " ..." if action.nargs in ("+", "*") else ""
    name = f"`{', '.join(action.option_strings) or action.dest}`"
    value = f" {metavar}{many}" if action.option_strings and metavar else many
    default = action.default
    if action.required:
        shown = "needed"
    elif default in (None, "", False, {}, ()):
        shown = ""
    else:
        shown = f"`{' '.join(map(str, default)) if isinstance(default, list) else default}`"
    return f"| {name}{value} | {action.help or ''} | {shown} |"


def configuration_page() -> str:
    """Every key of a configuration, from the schema and the project's own configuration."""
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text("utf-8"))
    values = yaml.safe_load((ROOT / "config.yaml").read_text("utf-8"))
    rows = [
        f"| `{path}` | {_type(entry, schema)} | {entry.get('description', '')} | {default} |"
        for path, entry, default in _keys(schema, values)
    ]
    metrics = [f"| `{name}` | {registry.metric(name).description} |" for name in METRICS]
    return "\n".join(
        [
            "# Configuration",
            "",
            "The keys of `config.yaml` and of what is put on top of it ([how](../workflow.md)). "
            "`NAME` is a name of your choice. A key or a type that is not in this list ends the "
            "run before any job. The comments of `config.yaml` say which values the paper states.",
            "",
            "| key | type | meaning | in `config.yaml` |",
            "|---|---|---|---|",
            *rows,
            "",
            "## Metrics",
            "",
            "Numbers are examples: any cut-off can stand there, for mAP one of "
            "`evaluation.map_at`.",
            "",
            "| metric | what it is |",
            "|---|---|",
            *metrics,
            "",
        ]
    )


def _keys(
    entry: Mapping[str, Any], values: Any, path: str = ""
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Dotted path, schema and default of every key, in the order of the schema."""
    for name, sub in entry.get("properties", {}).items():
        here = f"{path}{name}"
        value = values.get(name) if isinstance(values, Mapping) else None
        plain = value is not None and not isinstance(value, Mapping)
        yield here, sub, f"`{value}`" if plain else ""
        yield from _keys(sub, value, f"{here}.")
        below = sub.get("additionalProperties")
        if isinstance(below, Mapping) and "properties" in below:
            yield from _keys(below, None, f"{here}.NAME.")
        for choice in sub.get("items", {}).get("anyOf", ()):
            yield from _keys(choice, None, f"{here}[].")


def _type(entry: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    if "$ref" in entry:
        name = entry["$ref"].rpartition("/")[2]
        return "name" if name == "name" else _type(schema["$defs"][name], schema)
    if "anyOf" in entry:
        return " or ".join(dict.fromkeys(_type(choice, schema) for choice in entry["anyOf"]))
    if "const" in entry or "enum" in entry:
        return ", ".join(f"`{value}`" for value in entry.get("enum", [entry.get("const")]))
    if entry["type"] == "array":
        return f"list of {_type(entry.get('items', {'type': 'anything'}), schema)}"
    words = {"object": "mapping", "boolean": "true or false", "string": "text"}
    types = [entry["type"]] if isinstance(entry["type"], str) else entry["type"]
    return " or ".join(words.get(word, word) for word in types)


# --- docstrings -----------------------------------------------------------------------------------


class Columns(griffe.Extension):
    """Reads the aligned columns of our docstrings (a name, two spaces, what it is) as lists."""

    def on_instance(self, *, obj: griffe.Object | griffe.Alias, **_: Any) -> None:
        """Called by griffe for everything that may have a docstring."""
        if not obj.is_alias and obj.docstring:
            obj.docstring.value = listed(obj.docstring.value)


def listed(text: str) -> str:
    """``name  meaning`` lines, with those that go on below, as items of a list."""
    out: list[str] = []
    inside = False
    for line in text.splitlines():
        if match := re.fullmatch(r"([\w, ]*\w)  +(\S.*)", line):
            if out and out[-1] and not inside:
                out.append("")
            out.append(f"- `{match[1]}`: {match[2]}")
            inside = True
        elif inside and line.startswith("  "):
            out.append("  " + line.strip())
        else:
            inside = False
            out.append(line)
    return "\n".join(out)
