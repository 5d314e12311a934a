"""A long table arranged like the paper's: what stands in which row and column, ready to print.

The Markdown, LaTeX and HTML views all print a ``View``; none of them looks at a number itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError
from pipeline.names import value_label
from pipeline.results.registry import BOTH_VIEWS, metric
from pipeline.results.significance import LEVEL

if TYPE_CHECKING:
    import pandas as pd

ROWS, COLUMNS = ("task", "method"), ("dataset", "bits")
_HEADINGS = ("task", "dataset", "metric", "bits")
MINUS = "\N{MINUS SIGN}"
_NAMES = {
    "mirflickr25k": "MIR-Flickr25K",
    "nuswide": "NUS-WIDE",
    "coco2017": "MS-COCO",
    "i2t": "Img → Txt",
    "t2i": "Txt → Img",
    "i2i": "Img → Img",
    "t2t": "Txt → Txt",
    "corr_mse": "Corr MSE",
}


@dataclass(frozen=True)
class Cell:
    """One cell as text; a part that is not known is empty.

    best         1, 2 or 0: best, second best, neither
    significant  significantly different from the reference, corrected over the table
    effect       the difference from the reference, a cell of its own with an ``interval``
    beyond_noise the difference from the paper is more than seeds explain
    collapsed    the codes of at least one seed collapsed
    both_views   made from both views of a query, and so not compared with the others
    alone        the share of queries without a relevant item, which count as 0
    note         why there is no number of ours
    level, paper_level  both numbers from 0 to 1 where the metric is a share, for who draws them
    """

    ours: str = ""
    std: str = ""
    paper: str = ""
    difference: str = ""
    best: int = 0
    significant: bool = False
    effect: "Cell | None" = None
    interval: str = ""
    beyond_noise: bool = False
    collapsed: bool = False
    both_views: bool = False
    alone: float = 0.0
    note: str = ""
    level: float | None = None
    paper_level: float | None = None


@dataclass(frozen=True)
class View:
    """A table: header labels per row and column, and the cell of each (row, column) number.

    grouped    the first label of the rows is a heading for several of them, such as the task
    reference  what the others were tested against, by ``tests`` tests
    tie_effect the largest difference that ties in database order would make
    """

    title: str
    row_keys: Sequence[str]
    grouped: bool
    rows: Sequence[tuple[str, ...]]
    columns: Sequence[tuple[str, ...]]
    cells: Mapping[tuple[int, int], Cell]
    units: str
    reference: str
    tests: int
    tie_effect: str = ""

    def cell(self, row: int, column: int) -> Cell:
        """The cell of a row and column; an empty one where the table has none."""
        return self.cells.get((row, column), Cell())

    @property
    def notes(self) -> list[str]:
        """What the marks mean, as far as they occur, and why cells are empty; plain text."""
        cells = list(self.cells.values())
        legend = [self.units]
        if self.tie_effect:
            legend.append(
                "mAP is its exact expectation over all orders of ties; with ties in database order "
                f"(column 'stable' of the CSV) values differ by at most {self.tie_effect} points."
            )
        if any(cell.best for cell in cells):
            legend.append("Best in bold, second best underlined.")
        if any(cell.significant for cell in cells):
            legend.append(
                f"†: significantly different from {self.reference} (paired over seeds and queries, "
                f"Holm's correction over the {self.tests} tests of this table, α = {LEVEL:g})."
            )
        if any(cell.beyond_noise for cell in cells):
            legend.append("*: differs from the paper by more than our seeds explain.")
        if any(cell.collapsed for cell in cells):
            legend.append("‡: the codes of at least one seed collapsed.")
        if any(cell.both_views for cell in cells):
            legend.append(
                "§: codes made from both views of a query and of an item, which is no retrieval "
                "across views: shown, not ranked."
            )
        if alone := max((cell.alone for cell in cells), default=0.0):
            legend.append(
                f"Up to {100 * alone:.2g} % of the queries have no relevant item in the database: "
                "they count as 0."
            )
        reasons = dict.fromkeys(cell.note for cell in cells if cell.note)
        return [*legend, *(f"Empty cells: {reason}." for reason in reasons)]

    @property
    def effects(self) -> "View | None":
        """The differences from the reference in the same order, or None where there is none."""
        places = {place: cell.effect for place, cell in self.cells.items() if cell.effect}
        if not places:
            return None
        rows, columns = (sorted(set(numbers)) for numbers in zip(*places, strict=True))
        return replace(
            self,
            title=f"Differences from {self.reference}",
            rows=[self.rows[row] for row in rows],
            columns=[self.columns[column] for column in columns],
            cells={
                (rows.index(row), columns.index(column)): effect
                for (row, column), effect in places.items()
            },
            tie_effect="",
            units=f"Value minus that of {self.reference}, with a 95 % interval that allows for "
            "the seeds and the queries drawn; each interval is taken by itself.",
        )

    @property
    def bars(self) -> bool:
        """Whether any number is a share, which can be drawn as a bar."""
        return any(cell.level is not None for cell in self.cells.values())

    @property
    def with_paper(self) -> bool:
        """Whether a number of the paper stands beside any of ours."""
        return any(cell.paper for cell in self.cells.values())

    def row_groups(self) -> list[tuple[str, list[tuple[int, tuple[str, ...]]]]]:
        """(heading, rows below it as (number, other labels)); one group without heading else."""
        rows = list(enumerate(self.rows))
        if not self.grouped:
            return [("", rows)]
        by_heading = groupby(rows, key=lambda row: row[1][0])
        return [(name, [(i, labels[1:]) for i, labels in group]) for name, group in by_heading]

    def header(self, level: int) -> list[tuple[str, int]]:
        """(label, number of columns it spans) at one level of the column header."""
        groups = groupby(self.columns, key=lambda column: column[: level + 1])
        return [(labels[level], len(list(members))) for labels, members in groups]


def view(spec: Mapping[str, Any], table: "pd.DataFrame") -> View:
    """Arrange a long table by the spec's ``rows`` and ``columns``.

    Raises InputError where two values would fall into one cell.
    """
    row_keys = list(spec.get("rows", ROWS))
    column_keys = list(spec.get("columns", COLUMNS))
    means = table[table["seed"] == "mean"]
    _check_distinct(spec["name"], means, [*row_keys, *column_keys])
    grouped = len(row_keys) > 1 and row_keys[0] in _HEADINGS
    rows = _distinct(means, row_keys, in_order=grouped)
    columns = _distinct(means, column_keys)
    deviations = _deviations(table, [*row_keys, *column_keys])
    cells = {}
    for record in means.to_dict("records"):
        row = tuple(record[k] for k in row_keys)
        column = tuple(record[k] for k in column_keys)
        std = deviations.get((*row, *column), np.nan)
        cells[rows.index(row), columns.index(column)] = _cell(record, std)
    return View(
        title=spec.get("title", spec["name"]),
        row_keys=[key.replace("_", " ") for key in row_keys],
        grouped=grouped,
        rows=[_row_labels(row_keys, row, grouped) for row in rows],
        columns=[_column_labels(column_keys, column) for column in columns],
        cells=cells,
        units=_units(spec, bool(means["paper"].notna().any())),
        reference=_reference(spec, means),
        tests=int(means["p_value"].notna().sum()),
        tie_effect=_tie_effect(means),
    )


def printed(value: Any) -> str:
    """How a value of a key is printed."""
    return _NAMES.get(str(value), str(value))


def _row_labels(keys: Sequence[str], values: Sequence[Any], grouped: bool) -> tuple[str, ...]:
    """As a column head names them, what stands below no head of its own: a heading."""
    plain = tuple(map(printed, values))
    return (*_column_labels(keys[:1], values[:1]), *plain[1:]) if grouped else plain


def _column_labels(keys: Sequence[str], values: Sequence[Any]) -> tuple[str, ...]:
    named: dict[str, Callable[[Any], str]] = {
        "bits": lambda value: f"{value} bits",
        **dict.fromkeys(("dataset", "task", "metric"), printed),
        "method": str,
    }
    return tuple(
        named[key](value) if key in named else f"{key.replace('_', ' ')}: {value}"
        for key, value in zip(keys, values, strict=True)
    )


def _distinct(
    means: "pd.DataFrame", keys: Sequence[str], in_order: bool = True
) -> list[tuple[Any, ...]]:
    """The combinations that occur: as they appear, or in order of their keys one by one."""
    combinations = list(means[list(keys)].drop_duplicates().itertuples(index=False, name=None))
    if not in_order:
        return combinations
    seen = [list(dict.fromkeys(means[key])) for key in keys]
    return sorted(combinations, key=lambda c: [s.index(v) for s, v in zip(seen, c, strict=True)])


def _check_distinct(name: str, means: "pd.DataFrame", keys: list[str]) -> None:
    if missing := [key for key in keys if key not in means]:
        raise InputError(f"{name}: no cell has a {' or '.join(missing)} to arrange the table by")
    if (twice := means[means.duplicated(keys, keep=False)]).empty:
        return
    differing = [k for k in means.columns[: means.columns.get_loc("seed")] if k not in keys]
    telling = [k for k in differing if twice[k].nunique() > 1]
    raise InputError(
        f"{name}: several values fall into one cell; add {' or '.join(telling) or 'a key'} "
        "to the rows or columns of the experiment"
    )


def _deviations(table: "pd.DataFrame", keys: list[str]) -> dict[tuple[Any, ...], float]:
    rows = table[table["seed"] == "std"]
    return dict(zip(rows[keys].itertuples(index=False, name=None), rows["value"], strict=True))


def _cell(record: Mapping[str, Any], std: float) -> Cell:
    definition = metric(record["metric"])

    def level(value: Any) -> float | None:
        return None if definition.scale != 100 or np.isnan(value) else float(value)

    def number(value: Any, sign: str = "", fewer: int = 0) -> str:
        if np.isnan(value):
            return ""
        text = f"{value * definition.scale:{sign}.{definition.decimals - fewer}f}"
        return text.replace("-", MINUS)

    low, high = (number(record[name], "+z", fewer=1) for name in ("effect_low", "effect_high"))

    significant = bool(record["p_value"] < LEVEL)
    effect = Cell(
        ours=number(record["effect"], "+z", fewer=1),
        interval=f"[{low}, {high}]" if low else "",
        significant=significant,
    )
    return Cell(
        ours=number(record["value"]),
        std=number(std),
        paper=number(record["paper"]),
        difference=number(record["difference"], "+"),
        best=int(record["rank"]) if record["rank"] <= 2 else 0,
        significant=significant,
        effect=effect if effect.ours else None,
        beyond_noise=record["beyond_noise"] == "yes",
        collapsed=bool(record["collapsed"] > 0),
        both_views=record["form"] == BOTH_VIEWS,
        alone=float(np.nan_to_num(record["without_relevant"])),
        note=record["note"] if isinstance(record["note"], str) else "",
        level=level(record["value"]),
        paper_level=level(record["paper"]),
    )


def _reference(spec: Mapping[str, Any], means: "pd.DataFrame") -> str:
    """The reference by what tells it apart: its method, or what the experiment varies."""
    keys = dict(spec["reference"])
    if means["method"].nunique() < 2 and len(keys) > 1:
        del keys["method"]
        return ", ".join(f"{name.replace('_', ' ')} {value_label(v)}" for name, v in keys.items())
    return keys["method"]


def _tie_effect(means: "pd.DataFrame") -> str:
    largest = (means["value"] - means["stable"]).astype(float).abs().max()
    return "" if np.isnan(largest) else f"{100 * largest:.2f}"


def _units(spec: Mapping[str, Any], with_paper: bool) -> str:
    names = spec["metrics"]
    percent = [name for name in names if metric(name).scale == 100]
    plain = [name for name in names if metric(name).scale == 1]
    told = [f"{', '.join(percent)} in percent"] if percent else []
    told += [f"{', '.join(printed(name) for name in plain)} as they are"] if plain else []
    form = "mean ± standard deviation over seeds"
    beside = "; below, the paper's number and the difference" if with_paper else ""
    alone = " The paper prints nothing for this data." if "paper" in spec and not with_paper else ""
    return f"{'; '.join(told)}: {form}{beside}.{alone}"
