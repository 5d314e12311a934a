"""The long table of an experiment: one row per value, from which every view of it is made.

Columns: dataset, features, split, task, method, bits, the experiment's own columns, metric, seed,
value, paper, difference, beyond_noise, rank, effect, effect_low, effect_high, p_value, stable,
collapsed, without_relevant, form, note. ``seed`` is a seed, ``mean`` or ``std`` (over seeds,
n - 1); everything from ``paper`` on stands in the ``mean`` rows alone.

beyond_noise  ``yes`` when the difference from the paper is more than seeds explain: with a chance
              of 95 % the paper's one run would lie within t s sqrt(1 + 1/S) of our mean of S
              seeds, s their standard deviation, t the quantile of S - 1 degrees of freedom. Empty
              with a single seed.
rank          1 for the best of what is compared (see ``competition``); equal values share their
              place
effect        value minus that of the spec's ``reference``, where both are of the same seeds and
              queries; ``effect_low`` to ``effect_high`` is its 95 % interval, taken by itself
p_value       of the test that the effect is 0 (``significance``), by Holm's correction over all
              effects of the table: below .05 a difference can be claimed
stable        of a mAP: the mean with ties in database order, as others print it; ``value`` is the
              exact expectation over all orders of ties
collapsed     of how many seeds the method says that their codes tell nothing
form          ``codes``, ``real values``, or ``both views``: a query's other view was seen too; that
              is no retrieval across views, so that such a row has no rank and is not tested
without_relevant  the share of queries that no item of the database is relevant to: they count as 0
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import stdtrit

from pipeline.errors import InputError
from pipeline.names import value_label
from pipeline.results import paper
from pipeline.results.record import write_record
from pipeline.results.registry import BOTH_VIEWS, Measured, metric
from pipeline.results.significance import LEVEL, holm, paired_difference
from pipeline.storage.files import write_text

if TYPE_CHECKING:
    import pandas as pd

Spec = Mapping[str, Any]
KEYS = ("dataset", "features", "split", "task", "method", "bits")
EFFECT = ("effect", "effect_low", "effect_high", "p_value")
FINDINGS = (
    "value",
    "paper",
    "difference",
    "beyond_noise",
    "rank",
    *EFFECT,
    "stable",
    "collapsed",
    "without_relevant",
    "form",
    "note",
)
_FILES = ("metrics_file", "codes_file", "missing")
NOT_RUN = "printed in the paper, not computed here"


@dataclass(frozen=True)
class Sample:
    """What a metric is the mean of: values (S, Q) by seed and query, and the queries (S, Q).

    A metric of the codes alone has one value a seed, (S, 1), and rows None.
    """

    values: np.ndarray
    rows: np.ndarray | None

    def minus(self, other: "Sample") -> np.ndarray | None:
        """The differences by seed and query; None where the two are not of the same queries."""
        if self.rows is None or other.rows is None:
            same = self.rows is other.rows
        else:
            same = np.array_equal(self.rows, other.rows)
        return self.values - other.values if same else None


def write_table(spec: Spec, path: Path | str) -> None:
    """Write ``path`` (.csv) with the long table; beside it Markdown, LaTeX and a record (.json)."""
    from pipeline.results import latex, markdown
    from pipeline.results.views import view

    table = long_table(spec)
    shaped = view(spec, table)
    path = Path(path)
    write_csv(table, path)
    write_text(path.with_suffix(".md"), markdown.render(shaped))
    write_text(path.with_suffix(".tex"), latex.render(shaped))
    write_record(path, spec)


def write_csv(table: "pd.DataFrame", path: Path | str) -> None:
    """Write a long table, or the data of a curve, always as the same bytes."""
    write_text(path, table.to_csv(index=False, float_format="%.6g", lineterminator="\n"))


def read_csv(path: Path | str) -> "pd.DataFrame":
    """Read a long table back as ``long_table`` gave it, up to six significant digits."""
    import pandas as pd

    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    numbers = ("value", "paper", "difference", "rank", *EFFECT, "stable", "collapsed",
               "without_relevant")  # fmt: skip
    return table.assign(
        bits=table["bits"].astype(int),
        **{name: pd.to_numeric(table[name], errors="coerce") for name in numbers},
    )


def long_table(spec: Spec) -> "pd.DataFrame":
    """The long table of an experiment, given as the plan's spec, from its metrics files."""
    import pandas as pd

    measured = [None if "missing" in cell else Measured(cell) for cell in spec["cells"]]
    values, samples = _values(spec, measured)
    values += _only_in_paper(spec, values)
    names = [*KEYS, *extra_columns(spec), "metric"]
    means = pd.DataFrame(values, columns=[*names, "seeds", "std", *FINDINGS])
    means = _tested(spec, _compared_with_paper(spec, means, names), samples)
    rows = [row for record in means.to_dict("records") for row in _spread(record, names)]
    return pd.DataFrame(rows, columns=[*names, "seed", *FINDINGS])


def extra_columns(spec: Spec) -> list[str]:
    """The columns that the experiment itself adds, such as training_size."""
    usual = {*KEYS, *_FILES}
    return list(dict.fromkeys(k for cell in spec["cells"] for k in cell if k not in usual))


def competition(spec: Spec, table: "pd.DataFrame") -> list[str]:
    """The columns in which competitors differ; whatever agrees in all other keys is compared.

    Methods compete where there are several; else the variants do that the experiment's own
    columns tell apart. A code length that belongs to the method competes with it (Table VII).
    """
    if table["method"].nunique() < 2:
        return extra_columns(spec)
    own_length = table.groupby("method")["bits"].nunique().max() == 1
    return ["method", "bits"] if own_length else ["method"]


def _values(
    spec: Spec, measured: Sequence[Measured | None]
) -> tuple[list[dict[str, Any]], list[Sample | None]]:
    """One record per cell, metric and task with its values by seed; and what these are means of."""
    records, samples = [], []
    for cell, found in zip(spec["cells"], measured, strict=True):
        keys = {name: cell.get(name) for name in ("dataset", "features", "split", "method", "bits")}
        keys |= {name: value_label(cell.get(name)) for name in extra_columns(spec)}
        for name, task in _asked(spec):
            values, sample, note = _read(cell, found, name, task)
            records.append(keys | {"task": task, "metric": name, "note": note} | values)
            samples.append(sample)
    return records, samples


def _asked(spec: Spec) -> Iterator[tuple[str, str]]:
    for name in spec["metrics"]:
        for task in metric(name).tasks(list(spec["tasks"])):
            yield name, task


def _read(
    cell: Mapping[str, Any], found: Measured | None, name: str, task: str
) -> tuple[dict[str, Any], Sample | None, str]:
    if found is None:
        return {"seeds": {}}, None, cell["missing"]
    definition = metric(name)
    values = definition.read(found, task)
    if values is None:
        return {"seeds": {}}, None, f"{cell['method']} has no {name}"
    sample = None
    if definition.per_query:
        per_query = definition.per_query(found, task)
        # where an image with several captions asks once, its queries are not the pairs' rows, and
        # what is not known to be of the same query is not tested
        if per_query.shape == found.query_rows.shape:
            sample = Sample(per_query, found.query_rows)
    elif definition.measured_on:
        sample = Sample(np.asarray(values, float)[:, None], None)
    std = float(np.std(values, ddof=1)) if len(values) > 1 else np.nan
    seeds = dict(zip(found.seeds, map(float, values), strict=True))
    record = {"seeds": seeds, "value": float(np.mean(values)), "std": std}
    if definition.stable:
        record["stable"] = float(np.mean(np.asarray(definition.stable(found, task), float)))
    collapsed = found.groups.get("codes", {}).get("collapsed")
    record["form"] = found.form
    record["collapsed"] = int(np.sum(0 if collapsed is None else collapsed))
    if not definition.only:  # of no matter to instances, each of which has its partner
        alone = found.groups.get(task, {}).get("without_relevant")
        record["without_relevant"] = None if alone is None else float(np.mean(alone))
    return record, sample, ""


def _only_in_paper(spec: Spec, values: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Methods that the paper prints for our settings and that were not run keep their numbers."""
    if not spec.get("paper"):
        return []
    keys = ["dataset", "task", "bits", *extra_columns(spec), "metric"]
    settings = {tuple(record[k] for k in keys) for record in values}
    methods = {record["method"] for record in values}
    printed = paper.load(spec["paper"]).to_dict("records")
    return [
        {k: record[k] for k in [*keys, "method"]} | {"seeds": {}, "note": NOT_RUN}
        for record in printed
        if record["method"] not in methods and tuple(record.get(k) for k in keys) in settings
    ]


def _compared_with_paper(spec: Spec, means: "pd.DataFrame", names: Sequence[str]) -> "pd.DataFrame":
    if not spec.get("paper"):
        return means
    printed = paper.load(spec["paper"]).rename(columns={"value": "printed"})
    keys = [name for name in names if name in printed.columns]
    if printed.duplicated(keys).any():
        telling = set(printed.columns) - {*keys, "printed"}
        raise InputError(
            f"{spec['name']}: the paper's {spec['paper']} varies {', '.join(sorted(telling))}; "
            "give the methods of the experiment such columns"
        )
    joined = means.merge(printed, on=keys, how="left", validate="many_to_one")
    seeds = joined["seeds"].map(len).clip(lower=1)
    difference = joined["value"].astype(float) - joined["printed"]
    reach = -stdtrit(seeds - 1, LEVEL / 2)  # NaN for one seed
    noise = reach * joined["std"].astype(float) * np.sqrt(1 + 1 / seeds)
    marks = np.where(difference.abs() > noise, "yes", "no")
    known = difference.notna() & noise.notna()
    return means.assign(
        paper=joined["printed"],
        difference=difference,
        beyond_noise=np.where(known, marks, np.array(None)),
    )


def _tested(spec: Spec, means: "pd.DataFrame", samples: Sequence[Sample | None]) -> "pd.DataFrame":
    """Rank every comparison; test all others against the reference, corrected over the table."""
    means = means.assign(rank=np.nan, **dict.fromkeys(EFFECT, np.nan))
    reference = {name: value_label(value) for name, value in spec["reference"].items()}
    is_reference = np.all([means[name] == value for name, value in reference.items()], axis=0)
    free = {"features", "split", *competition(spec, means)}
    held = [name for name in [*KEYS, *extra_columns(spec), "metric"] if name not in free]
    compared = means[means["value"].notna() & (means["form"] != BOTH_VIEWS)]
    for _, group in compared.groupby(held, sort=False, dropna=False):
        if len(group) < 2:
            continue
        upwards = not metric(group["metric"].iloc[0]).higher_is_better
        ranks = group["value"].astype(float).rank(method="dense", ascending=upwards)
        means.loc[group.index, "rank"] = ranks
        for own in group.index[is_reference[group.index]]:
            for other in group.index.drop(own):
                means.loc[other, list(EFFECT)] = _effect(samples[other], samples[own])
    return means.assign(p_value=holm(means["p_value"]))


def _effect(sample: Sample | None, reference: Sample | None) -> tuple[float, float, float, float]:
    """effect, effect_low, effect_high and the uncorrected p_value."""
    difference = sample.minus(reference) if sample and reference else None
    if difference is None or sample is None:
        return np.nan, np.nan, np.nan, np.nan
    found = paired_difference(difference, sample.rows)
    return (found.mean, *found.interval, found.p_value)


def _spread(record: Mapping[str, Any], names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The rows of one record: each seed, the mean with all findings, the standard deviation."""
    keys = {name: record[name] for name in names}
    for seed, value in record["seeds"].items():
        yield keys | {"seed": str(seed), "value": value}
    yield keys | {"seed": "mean"} | {name: record[name] for name in FINDINGS}
    if len(record["seeds"]) > 1:
        yield keys | {"seed": "std", "value": record["std"]}
