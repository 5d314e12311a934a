"""How methods rank under each protocol of an experiment, and how far the protocols agree.

A method's value under a protocol is the mean of its metric over the tasks, by data set, code length
and seed; its rank comes from the mean over seeds. Only codes made from one view are ranked: real
values and codes that saw both views of a query are shown beside them.

Two protocols agree by Kendall's tau (tau-b) between the values of the ranked methods, mean over
data sets and code lengths. On the diagonal stands how far two seeds agree under one protocol:
protocols that agree less than that differ by more than chance.
"""

from collections.abc import Iterator, Mapping
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.errors import InputError
from pipeline.results.markdown import escaped, line
from pipeline.results.registry import CODES, metric
from pipeline.results.views import printed

if TYPE_CHECKING:
    import pandas as pd

Spec = Mapping[str, Any]
PLACE = ["dataset", "bits"]


def values(table: "pd.DataFrame") -> "pd.DataFrame":
    """dataset, bits, method, form, seed, value: the mean over tasks, of all that was measured."""
    means = table[table["seed"] == "mean"]
    forms = means[means["form"] != ""].groupby("method")["form"].first()
    seeds = table[~table["seed"].isin(("mean", "std"))].dropna(subset=["value"])
    found = seeds.groupby([*PLACE, "method", "seed"], sort=False)["value"].mean().reset_index()
    return found.assign(form=found["method"].map(forms).fillna(""))


def ranked(spec: Spec, tables: Mapping[str, "pd.DataFrame"]) -> "pd.DataFrame":
    """A row a protocol, data set, code length and method; see the module for ``rank``.

    value, std             mean and standard deviation over seeds
    rank_best, rank_worst  the lowest and highest rank that the method has in any one seed
    """
    import pandas as pd

    parts = []
    for protocol, table in tables.items():
        found = values(table)
        upwards = not metric(spec["tables"][protocol]["metric"]).higher_is_better
        by_method = found.groupby([*PLACE, "method", "form"], sort=False)["value"]
        rows = by_method.agg(value="mean", std="std").reset_index()
        codes, of_seeds = rows[rows["form"] == CODES], found[found["form"] == CODES]
        rows["rank"] = codes.groupby(PLACE)["value"].rank("min", ascending=upwards)
        own = of_seeds.groupby([*PLACE, "seed"])["value"].rank("min", ascending=upwards)
        spread = of_seeds.assign(own=own).groupby([*PLACE, "method"])["own"].agg(["min", "max"])
        joined = rows.join(spread, on=[*PLACE, "method"])
        joined = joined.rename(columns={"min": "rank_best", "max": "rank_worst"})
        joined.insert(0, "protocol", protocol)
        parts.append(joined)
    if not sum(map(len, parts)):
        raise InputError(f"{spec['name']}: none of its tables has a value, so nothing is ranked")
    return pd.concat(parts, ignore_index=True)


def agreement(spec: Spec, tables: Mapping[str, "pd.DataFrame"]) -> dict[tuple[str, str], float]:
    """Kendall's tau of every two protocols; of one with itself, between its seeds. NaN: unknown."""
    by_seed = {protocol: _by_seed(spec, protocol, table) for protocol, table in tables.items()}
    found = {}
    for one, other in combinations(tables, 2):
        shared = [place for place in by_seed[one] if place in by_seed[other]]
        pairs = [(by_seed[one][p].mean(axis=1), by_seed[other][p].mean(axis=1)) for p in shared]
        found[one, other] = found[other, one] = _mean(tau(*pair) for pair in pairs)
    for protocol, places in by_seed.items():
        within = (
            tau(seeds[a], seeds[b]) for seeds in places.values() for a, b in combinations(seeds, 2)
        )
        found[protocol, protocol] = _mean(within)
    return found


def tau(one: "pd.Series", other: "pd.Series") -> float:
    """Kendall's tau-b over the methods that both have; NaN for fewer than two of them."""
    from scipy.stats import kendalltau

    both = one.index.intersection(other.index)
    return float(kendalltau(one[both], other[both]).statistic) if len(both) > 1 else np.nan


def mean_ranks(ranks: "pd.DataFrame", protocol: str) -> dict[str, float]:
    """The mean rank of each method over data sets and code lengths, best first; unranked last."""
    own = ranks[ranks["protocol"] == protocol]
    found = own.groupby("method", sort=False)["rank"].mean()
    return dict(found.sort_values(kind="stable", na_position="last"))


def render(spec: Spec, ranks: "pd.DataFrame", taus: Mapping[tuple[str, str], float]) -> str:
    """Ranks by data set and code length, then Kendall's tau, as Markdown."""
    parts = [f"# {escaped(spec['title'])}\n", _protocols(spec)]
    parts += [_ranks_of(spec, place, rows) for place, rows in ranks.groupby(PLACE, sort=False)]
    return "\n".join([*parts, _agreement(spec, taus)])


def _by_seed(spec: Spec, protocol: str, table: "pd.DataFrame") -> dict[Any, "pd.DataFrame"]:
    """By data set and code length: ranked methods by seeds, higher being better."""
    sign = 1 if metric(spec["tables"][protocol]["metric"]).higher_is_better else -1
    found = values(table)
    found = found[found["form"] == CODES]
    return {
        place: sign * rows.pivot_table(index="method", columns="seed", values="value")
        for place, rows in found.groupby(PLACE, sort=False)
    }


def _mean(numbers: Iterator[float]) -> float:
    known = [number for number in numbers if np.isfinite(number)]
    return float(np.mean(known)) if known else np.nan


def _protocols(spec: Spec) -> str:
    lines = [line(["protocol", "metric", "after"]), line(["---"] * 3)]
    for protocol, table in spec["tables"].items():
        lines.append(line([escaped(protocol), escaped(table["metric"]), escaped(table["source"])]))
    return "\n".join(lines) + "\n"


def _ranks_of(spec: Spec, place: tuple[str, int], rows: "pd.DataFrame") -> str:
    """Methods by protocols; in brackets the ranks of single seeds, where they differ."""
    order = rows.groupby("method")["rank"].mean().sort_values(na_position="last").index
    cells = {(r["method"], r["protocol"]): rank_text(r) for r in rows.to_dict("records")}
    lines = [line(["method", *map(escaped, spec["tables"])])]
    lines.append(line(["---", *["---:"] * len(spec["tables"])]))
    for method in order:
        ranks = (cells.get((method, protocol), "–") for protocol in spec["tables"])
        lines.append(line([escaped(method), *ranks]))
    aside = sorted(rows[rows["form"] != CODES]["method"].unique())
    note = f"\nNot ranked: {', '.join(map(escaped, aside))}.\n" if aside else ""
    head = f"## Ranks: {escaped(printed(place[0]))}, {place[1]} bits\n"
    return "\n".join([head, *lines]) + "\n" + note


def rank_text(row: Mapping[str, Any]) -> str:
    """``3 (2–5)``: the rank of the mean, and the best and worst of single seeds."""
    if np.isnan(row["rank"]):
        return "–"
    best, worst = int(row["rank_best"]), int(row["rank_worst"])
    return f"{row['rank']:.0f}" + (f" ({best}–{worst})" if best != worst else "")


def _agreement(spec: Spec, taus: Mapping[tuple[str, str], float]) -> str:
    names = list(spec["tables"])
    lines = [line(["", *map(escaped, names)]), line(["---", *["---:"] * len(names)])]
    for one in names:
        lines.append(line([escaped(one), *(tau_text(taus[one, other]) for other in names)]))
    told = (
        "Mean over data sets and code lengths, ranked methods alone. Diagonal: between two seeds "
        "under one protocol, so what chance leaves of 1."
    )
    return "\n".join(["## Kendall's tau between protocols\n", *lines]) + f"\n\n{told}\n"


def tau_text(value: float) -> str:
    """Two decimals, or a dash where it is not known."""
    return "–" if np.isnan(value) else f"{value:.2f}"
