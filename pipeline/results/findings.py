"""What the tables say in a sentence or a figure, for the top of the report. All from the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipeline.results.registry import metric
from pipeline.results.significance import LEVEL
from pipeline.results.views import MINUS

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Finding:
    """A figure and what it is the figure of."""

    figure: str
    text: str


def headline(tables: Sequence["pd.DataFrame"], method: str) -> list[Finding]:
    """The figures of the front page: how the method compares, and how close the paper is."""
    means = [table[table["seed"] == "mean"] for table in tables]
    found = [_won(means, method), _significant(means, method), _lead(means, method),
             _from_paper(means), _explained(means)]  # fmt: skip
    return [finding for finding in found if finding]


def sentence(table: "pd.DataFrame", method: str) -> str:
    """One table in a sentence; empty where it compares nothing."""
    means = table[table["seed"] == "mean"]
    told = []
    ranked = _of(means, method)
    if len(ranked):
        best = int((ranked["rank"] == 1).sum())
        told.append(f"{method} has the best mean in {best} of {len(ranked)} comparisons")
        tests, better, worse = _tests([means], method)
        if tests:
            told.append(
                f"of its {tests} differences from others {better + worse} are significant, "
                f"{better} of them in its favour"
            )
    compared = means[means["difference"].notna()]
    if len(compared):
        beyond = int((compared["beyond_noise"] == "yes").sum())
        told.append(f"{len(compared)} values stand beside the paper's")
        if compared["beyond_noise"].isin(("yes", "no")).any():  # a single seed explains nothing
            told[-1] += f", {beyond} of them further away than our seeds explain"
    return "; ".join(told) + "." if told else ""


def scope(specs: Sequence[Mapping[str, Any]]) -> Finding:
    """How much was run."""
    cells = [cell for spec in specs for cell in spec["cells"] if "missing" not in cell]
    settings = {cell["metrics_file"] for cell in cells}
    seeds = max((len(spec["seeds"]) for spec in specs), default=0)
    names = {cell["method"] for cell in cells}
    return Finding(
        f"{len(settings)}",
        f"settings evaluated: {_count(len(names), 'method')}, "
        f"{_count(len({cell['dataset'] for cell in cells}), 'data set')}, {_count(seeds, 'seed')}",
    )


def _of(means: "pd.DataFrame", method: str) -> "pd.DataFrame":
    """The method's rows among those that are compared with other methods."""
    if means["method"].nunique() < 2:
        return means.iloc[:0]
    return means[(means["method"] == method) & means["rank"].notna()]


def _tests(means: Sequence["pd.DataFrame"], method: str) -> tuple[int, int, int]:
    """Tests of other methods against this one, and how many say that it is better, or worse."""
    compared = [table for table in means if len(_of(table, method))]
    tested = [table[(table["method"] != method) & table["p_value"].notna()] for table in compared]
    better = worse = 0
    for table in tested:
        upwards = table["metric"].map(lambda name: metric(name).higher_is_better).astype(bool)
        clear = table["p_value"] < LEVEL
        lower = (table["effect"] < 0) == upwards  # the other is worse
        better, worse = better + int((clear & lower).sum()), worse + int((clear & ~lower).sum())
    return sum(map(len, tested)), better, worse


def _won(means: Sequence["pd.DataFrame"], method: str) -> Finding | None:
    ranked = [_of(table, method) for table in means]
    total = sum(map(len, ranked))
    best = sum(int((rows["rank"] == 1).sum()) for rows in ranked)
    text = f"comparisons in which {method} has the best mean"
    return Finding(f"{best} of {total}", text) if total else None


def _significant(means: Sequence["pd.DataFrame"], method: str) -> Finding | None:
    tests, better, worse = _tests(means, method)
    text = f"differences of other methods from {method} are significant, {better} in its favour"
    return Finding(f"{better + worse} of {tests}", text) if tests else None


def _lead(means: Sequence["pd.DataFrame"], method: str) -> Finding | None:
    """The mean lead over the best other method, of the first table that compares methods."""
    for table in means:
        rows = table[table["metric"].map(lambda name: metric(name).scale == 100)]
        ours = rows[rows["method"] == method]
        others = rows[(rows["method"] != method) & rows["value"].notna()]
        keys = ["dataset", "task", "bits", "metric"]
        if others.empty or ours["value"].isna().all() or ours.duplicated(keys).any():
            continue
        best = others.groupby(keys)["value"].max().rename("other").reset_index()
        gap = ours.merge(best, on=keys).eval("value - other").dropna().astype(float)
        if len(gap):
            name = rows["metric"].iloc[0]
            return Finding(_points(gap.mean()), f"points of {name} over the best other, on average")
    return None


def _from_paper(means: Sequence["pd.DataFrame"]) -> Finding | None:
    percent = [t[t["metric"].map(lambda name: metric(name).scale == 100)] for t in means]
    gaps = [float(gap) for table in percent for gap in table["difference"].dropna()]
    if not gaps:
        return None
    apart = sum(map(abs, gaps)) / len(gaps)
    signed = _points(sum(gaps) / len(gaps))
    text = f"points apart from the paper, on average; ours minus the paper's is {signed}"
    return Finding(f"{apart * 100:.1f}", text)


def _explained(means: Sequence["pd.DataFrame"]) -> Finding | None:
    marks = [mark for table in means for mark in table["beyond_noise"] if mark in ("yes", "no")]
    if not marks:
        return None
    within = f"{marks.count('no')} of {len(marks)}"
    return Finding(within, "values are as close to the paper's as seeds explain")


def _points(value: float) -> str:
    return f"{value * 100:+z.1f}".replace("-", MINUS)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
