"""The report as a page: one HTML file with all tables, figures and examples, nothing to fetch."""

import base64
import os
import platform
import re
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from itertools import groupby
from pathlib import Path
from typing import Any

import jinja2

from pipeline.errors import InputError
from pipeline.names import value_label
from pipeline.results import findings
from pipeline.results.gallery import Gallery
from pipeline.results.record import endings
from pipeline.results.tables import read_csv
from pipeline.results.views import printed, view
from pipeline.storage.files import write_text

Spec = Mapping[str, Any]
_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "torchvision", "transformers", "h5py",
             "pandas", "matplotlib", "snakemake")  # fmt: skip
_ROMAN = ("I", "II", "III", "IV", "V", "VI", "VII", "VIII", "IX", "X", "XI", "XII")


def write_report(
    outputs: Sequence[tuple[Spec, Path | str]],
    path: Path | str,
    *,
    title: str,
    method: str = "CMIMH",
    run: Mapping[str, Mapping[str, Any]] | None = None,
    assumptions: Sequence[Mapping[str, str]] = (),
    galleries: Sequence[Gallery] = (),
) -> None:
    """Write the report of some experiments as one self-contained HTML file.

    outputs      (spec, file) of each experiment: a table's long CSV, or a figure's SVG or PNG
    method       the one that the headline is about
    run          heading -> name -> value, for what was run and on what (see ``environment``)
    assumptions  ``what`` the paper leaves open, the ``choice`` made, ``why``
    galleries    see ``gallery.gallery``
    """
    entries = [_entry(spec, Path(file), method) for spec, file in outputs]
    tables = [entry["table"] for entry in entries if "table" in entry]
    specs = [spec for spec, _ in outputs]
    page = templates().get_template("report.html.j2")
    text = page.render(
        title=title,
        findings=[*findings.headline(tables, method), findings.scope(specs)],
        entries=entries,
        coverage=coverage(specs),
        run=run or {},
        assumptions=assumptions,
        galleries=galleries,
    )
    write_text(path, text)


def environment() -> dict[str, dict[str, str]]:
    """This machine and the versions in use, as ``run`` of ``write_report`` takes them."""
    machine = {
        "System": platform.platform(),
        "Processor": _processor(),
        "Cores": str(os.cpu_count()),
        "Python": platform.python_version(),
    }
    return {
        "Machine that wrote this page": machine,
        "Packages": {name: version(name) for name in _PACKAGES},
    }


def coverage(specs: Sequence[Spec]) -> list[dict[str, str]]:
    """What was run, one record per data set, features and split."""
    cells = [cell | {"seeds": spec["seeds"]} for spec in specs for cell in spec["cells"]]
    keys = ("dataset", "features", "split")

    def place(cell: Mapping[str, Any]) -> tuple[str, ...]:
        return tuple(value_label(cell.get(key)) for key in keys)

    records = []
    for place_of, members in groupby(sorted(cells, key=place), key=place):
        group = list(members)
        records.append(
            dict(zip(keys, (printed(place_of[0]), *place_of[1:]), strict=True))
            | {
                "methods": _joined(cell["method"] for cell in group),
                "bits": _joined(sorted({cell["bits"] for cell in group})),
                "seeds": _joined(seed for cell in group for seed in cell["seeds"]),
                "not run": _joined(cell["missing"] for cell in group if "missing" in cell),
            }
        )
    return records


def _entry(spec: Spec, file: Path, method: str) -> dict[str, Any]:
    """What the template needs of one experiment."""
    if not file.is_file():
        raise InputError(f"{file}: the output of {spec['name']} is not there; make it first")
    common = {
        "name": spec["name"],
        "number": numbered(spec["name"]),
        "title": spec.get("title", spec["name"]),
        "files": f"{file.stem}.{{{','.join(endings(spec.get('kind', 'table')))}}}",
    }
    if spec.get("kind") == "rankings":
        return common | {"page": f"{file.stem}.html", "protocols": list(spec["tables"])}
    if spec.get("kind", "table") != "table":
        return common | {"figure": _data_uri(file)}
    table = read_csv(file)
    return common | {
        "table": table,
        "view": view(spec, table),
        "sentence": findings.sentence(table, method),
    }


def numbered(name: str) -> str:
    """An experiment's name as papers number it: ``table4`` is Table IV; any other stays."""
    parts = re.fullmatch(r"(\D*)(\d+)", name)
    kind, digits = parts.groups() if parts else ("", "")
    if kind == "table" and 0 < int(digits) <= len(_ROMAN):
        return f"Table {_ROMAN[int(digits) - 1]}"
    return f"Figure {digits}" if kind == "figure" else name


def templates() -> jinja2.Environment:
    """The templates of the pages, which escape what they are given."""
    loader = jinja2.FileSystemLoader(Path(__file__).parent / "templates")
    environment = jinja2.Environment(
        loader=loader,
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["named"] = printed
    environment.filters["jpeg"] = lambda data: f"data:image/jpeg;base64,{_base64(data)}"
    return environment


def _data_uri(file: Path) -> str:
    kinds = {".svg": "image/svg+xml", ".png": "image/png"}
    if file.suffix not in kinds:
        raise InputError(f"{file}: a figure enters the report as SVG or PNG")
    return f"data:{kinds[file.suffix]};base64,{_base64(file.read_bytes())}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _joined(values: Any) -> str:
    return ", ".join(dict.fromkeys(map(str, values)))


def _processor() -> str:
    """The processor's name where Linux tells it, else what Python knows."""
    about = Path("/proc/cpuinfo")
    lines = about.read_text().splitlines() if about.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())
