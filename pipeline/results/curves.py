"""Figures: the data of each kind of curve, and one way to draw them all.

The data are a long table, written as CSV beside the picture: dataset and view (a task or a
modality) name the panel, series the curve, then x, y (mean over seeds), std and, where a cell is
missing, note.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError
from pipeline.names import value_label
from pipeline.results.record import write_record
from pipeline.results.registry import MODALITIES, Measured, metric
from pipeline.results.style import FAINT, LineStyle, line_styles, quiet_axes
from pipeline.results.tables import extra_columns, write_csv
from pipeline.results.views import printed
from pipeline.storage.files import atomic_write

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Spec = Mapping[str, Any]
Point = dict[str, Any]
DATA = ("dataset", "view", "series", "x", "y", "std", "note")


@dataclass(frozen=True)
class Kind:
    """How one kind of figure is drawn; ``points`` gives its data for one cell of the spec."""

    points: Callable[[Spec, Mapping[str, Any], Measured], Iterator[Point]]
    x: str
    y: str
    log_x: bool = False
    steps: bool = False


def write_figure(spec: Spec, path: Path | str) -> None:
    """Write the figure of a spec: ``path`` with .png, .svg, its data (.csv), a record (.json)."""
    data = curve_data(spec)
    path = Path(path)
    write_csv(data, path.with_suffix(".csv"))
    with quiet_axes():
        figure = draw(spec, data)
        for suffix, options in ((".svg", {"metadata": {"Date": None}}), (".png", {"dpi": 200})):
            with atomic_write(path.with_suffix(suffix)) as part:
                figure.savefig(part, format=suffix[1:], bbox_inches="tight", **options)
    write_record(path, spec)


def curve_data(spec: Spec) -> "pd.DataFrame":
    """The points of every curve; a cell that is missing gives one row with the reason."""
    import pandas as pd

    kind = _kind(spec)
    points: list[Point] = []
    for cell in spec["cells"]:
        if "missing" in cell:
            points += _nothing(spec, cell)
        else:
            points += kind.points(spec, cell, Measured(cell))
    return pd.DataFrame(points, columns=list(DATA))


def draw(spec: Spec, data: "pd.DataFrame") -> "Figure":
    """Draw the panels of a figure and one legend; must run inside ``quiet_axes``."""
    from matplotlib.figure import Figure

    kind = _kind(spec)
    rows, columns = _panels(data)
    series = list(dict.fromkeys(data["series"][data["note"] == ""]))
    styles = line_styles(series)
    figure = Figure(figsize=(3.1 * len(columns) + 0.4, 2.5 * len(rows) + 0.5), layout="constrained")
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for (i, row), (j, column) in product(enumerate(rows), enumerate(columns)):
        axes, key = grid[i, j], row | column
        inside = (data["view"] == key["view"]) & (data["dataset"] == key["dataset"])
        _panel(axes, kind, data[inside], styles)
        axes.set_title(" · ".join(printed(key[k]) for k in DATA[:2] if key[k]))
        axes.set_xlabel(_x_label(spec, kind) if i == len(rows) - 1 else "")
        axes.set_ylabel(_y_label(spec, kind) if j == 0 else "")
    _legend(figure, grid, series, _legend_title(spec))
    return figure


# --- the data of each kind ----------------------------------------------------------------------


def _precision_at_k(spec: Spec, cell: Mapping[str, Any], found: Measured) -> Iterator[Point]:
    """Expected precision of the first K, K = 1, 2, ..."""
    for task in spec["tasks"]:
        curve = found.array(task, "precision_at")
        where = _panel_of(cell, task) | {"series": _name(spec, cell)}
        yield from _with_band(where, np.arange(1, curve.shape[1] + 1), curve)


def _precision_recall(spec: Spec, cell: Mapping[str, Any], found: Measured) -> Iterator[Point]:
    """Micro precision over micro recall, one point per Hamming radius that retrieves anything."""
    for task in spec["tasks"]:
        recall = found.array(task, "pr_recall_micro").mean(axis=0)
        precision = found.array(task, "pr_precision_micro")
        filled = (recall > 0) & np.isfinite(precision).all(axis=0)
        where = _panel_of(cell, task) | {"series": _name(spec, cell)}
        yield from _with_band(where, recall[filled], precision[:, filled])


def _sweep(spec: Spec, cell: Mapping[str, Any], found: Measured) -> Iterator[Point]:
    """The first metric of the spec at one value of the column that ``x`` names."""
    if spec["x"] not in cell:
        raise InputError(f"{spec['name']}: a cell has no {spec['x']} to put on the x axis")
    for task in spec["tasks"]:
        values = metric(spec["metrics"][0]).read(found, task)
        where = {"view": "", "dataset": cell["dataset"], "series": task}
        if values is None:
            yield where | {"note": f"{cell['method']} has no {spec['metrics'][0]}"}
            continue
        yield from _with_band(where, np.array([cell[spec["x"]]], float), values[:, None])


def _histogram(spec: Spec, cell: Mapping[str, Any], found: Measured) -> Iterator[Point]:
    """Share of the Bernoulli means p in equal bins of [0, 1]; x is a bin's left edge."""
    for modality in MODALITIES:
        shares = found.diagnostic(f"p_histogram_{modality}")
        if shares is None:
            raise InputError(f"{spec['name']}: {cell['method']} stores no histogram of p")
        edges = np.linspace(0, 1, shares.shape[1], endpoint=False)
        where = {"view": modality, "dataset": cell["dataset"]}
        yield from _with_band(where | {"series": _name(spec, cell)}, edges, shares)


KINDS = {
    "precision_at_k": Kind(_precision_at_k, "K", "precision at K"),
    "precision_recall": Kind(_precision_recall, "recall", "precision"),
    "sweep": Kind(_sweep, "", "", log_x=True),
    "histogram": Kind(_histogram, "Bernoulli mean p", "share of all p", steps=True),
}


def _kind(spec: Spec) -> Kind:
    if spec["kind"] not in KINDS:
        raise InputError(
            f"{spec['name']}: {spec['kind']!r} is no figure; known: {', '.join(KINDS)}"
        )
    return KINDS[spec["kind"]]


def _with_band(where: Point, x: np.ndarray, y: np.ndarray) -> Iterator[Point]:
    """Points at x (n,) with the mean and standard deviation of y (seeds, n) over the seeds."""
    std = y.std(axis=0, ddof=1) if len(y) > 1 else np.zeros(y.shape[1])
    for point in zip(x, y.mean(axis=0), std, strict=True):
        yield where | dict(zip(("x", "y", "std"), point, strict=True)) | {"note": ""}


def _nothing(spec: Spec, cell: Mapping[str, Any]) -> Iterator[Point]:
    """Every panel that the missing cell would have been in says why it lacks a curve."""
    panels: dict[str, Sequence[str]] = {"sweep": [""], "histogram": MODALITIES}
    rows = panels[spec["kind"]] if spec["kind"] in panels else spec["tasks"]
    series = "" if spec["kind"] == "sweep" else _name(spec, cell)
    for row in rows:
        where = {"view": row, "dataset": cell["dataset"], "series": series}
        yield where | {"note": cell["missing"]}


def _panel_of(cell: Mapping[str, Any], task: str) -> Point:
    return {"view": task, "dataset": cell["dataset"]}


def _name(spec: Spec, cell: Mapping[str, Any]) -> str:
    """What tells the cell's curve from the others in its panel."""
    return (
        ", ".join(value_label(cell.get(key)) for key in _distinguishing_keys(spec))
        or cell["method"]
    )


def _distinguishing_keys(spec: Spec) -> list[str]:
    """The keys in which the cells of a panel differ."""
    keys = ("method", "bits", *extra_columns(spec))
    return [key for key in keys if len({value_label(cell.get(key)) for cell in spec["cells"]}) > 1]


def _legend_title(spec: Spec) -> str | None:
    """What the curves differ in, where their names alone do not say it."""
    telling = _distinguishing_keys(spec)
    own = spec["kind"] != "sweep" and len(telling) == 1 and telling[0] in extra_columns(spec)
    return telling[0].replace("_", " ") if own else None


# --- drawing ------------------------------------------------------------------------------------


def _panels(data: "pd.DataFrame") -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """What the rows and columns of panels show: data sets, or one set's views, side by side."""
    datasets, views = ([{key: name} for name in dict.fromkeys(data[key])] for key in DATA[:2])
    return (datasets, views) if len(datasets) == 1 else (views, datasets)


def _panel(axes: "Axes", kind: Kind, data: "pd.DataFrame", styles: Mapping[str, LineStyle]) -> None:
    curves = data[data["note"] == ""]
    if curves.empty:
        reason = "\n".join(dict.fromkeys(data["note"]))
        axes.text(0.5, 0.5, reason, transform=axes.transAxes, **_CENTRED)
        axes.set(xticks=[], yticks=[])
    for number, (name, curve) in enumerate(curves.groupby("series", sort=False)):
        draw_line = _steps if kind.steps else _line
        draw_line(axes, curve.sort_values("x"), name, styles[name], number / len(styles))
    if kind.log_x and not curves.empty:
        _logarithmic(axes, curves["x"].to_numpy(float))


_CENTRED: dict[str, Any] = {
    "ha": "center",
    "va": "center",
    "wrap": True,
    "color": FAINT,
    "fontsize": 8,
}


def _line(axes: "Axes", curve: "pd.DataFrame", name: str, look: LineStyle, shift: float) -> None:
    points = curve.iloc[_enough(len(curve))]
    x, y, std = (points[key].to_numpy(float) for key in ("x", "y", "std"))
    axes.plot(
        x, y, label=name, color=look.color, linestyle=look.dash, linewidth=look.width,
        marker=look.marker, markersize=4, markevery=_markers(len(x), shift),
    )  # fmt: skip
    low, high = np.maximum(y - std, 0), y + std
    if (y <= 1).all():  # shares: no band beyond what they can be
        high = np.minimum(high, 1)
    axes.fill_between(x, low, high, color=look.color, alpha=0.18, linewidth=0)


def _markers(count: int, shift: float) -> int | tuple[float, float]:
    """Few points are all marked; long curves every eighth of their panel, each shifted its own."""
    return 1 if count <= 16 else (shift / 8, 1 / 8)


def _enough(count: int) -> np.ndarray:
    """Which of ``count`` points are drawn: all, or some 200, dense where a curve starts."""
    if count <= 200:
        return np.arange(count)
    spread = [np.geomspace(1, count, 100) - 1, np.linspace(0, count - 1, 100)]
    return np.unique(np.concatenate(spread).round().astype(int))


def _steps(axes: "Axes", curve: "pd.DataFrame", name: str, look: LineStyle, shift: float) -> None:
    y, std = curve["y"].to_numpy(float), curve["std"].to_numpy(float)
    edges = np.append(curve["x"].to_numpy(float), 1.0)
    band: dict[str, Any] = {"color": look.color, "alpha": 0.18, "linewidth": 0, "fill": True}
    axes.stairs(y + std, edges, baseline=np.maximum(y - std, 0), **band)
    axes.stairs(y, edges, color=look.color, linestyle=look.dash, linewidth=look.width, label=name)


def _logarithmic(axes: "Axes", x: np.ndarray) -> None:
    """A logarithmic axis with a tick at each weight; zero stands left of a linear stretch."""
    if (x > 0).all():
        axes.set_xscale("log")
        axes.set_xticks(np.unique(x), [f"{value:g}" for value in np.unique(x)])
        axes.minorticks_off()
    else:
        axes.set_xscale("symlog", linthresh=float(x[x > 0].min(initial=1.0)), linscale=0.5)


def _x_label(spec: Spec, kind: Kind) -> str:
    return kind.x or spec["x"].replace("_", " ")


def _y_label(spec: Spec, kind: Kind) -> str:
    return kind.y or spec["metrics"][0]


def _legend(figure: "Figure", grid: np.ndarray, series: Sequence[str], title: str | None) -> None:
    """One legend below all panels, in the order of the experiment."""
    handles: dict[str, Any] = {}
    for axes in grid.flat:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(name, handle)
    if handles:
        chosen = [name for name in series if name in handles]
        lines = -(-len(chosen) // (1 + 2 * grid.shape[1]))
        figure.legend(
            [handles[name] for name in chosen], [printed(name) for name in chosen],
            loc="outside lower center", handlelength=2.8, title=title,
            ncols=-(-len(chosen) // lines),
        )  # fmt: skip
