"""What equal tuning chooses for each method, and where it would look further.

    snakemake ... results/tuning/<method>.csv --configfile overlays/tuning.yaml
    python -m benchmarks.tuning results/tuning/*.csv

A setting's score is the mean of its table: mAP@1000 of validation queries, i2t and t2i, over the
sets. The best wins; the default stays if it is within ``MARGIN`` of the best. A range that ends at
its winner has not been searched: it is to be extended, and every other method gets as many further
settings. Writes ``results/tuning.md``.
"""

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.methods import HERE
from pipeline.methods import available, create
from pipeline.names import label, value_label
from pipeline.results.tables import read_csv
from pipeline.storage.files import write_text

MARGIN = 0.005
RANGE = 4  # of a list with fewer values, none is an end: it is a choice


def scores(table: pd.DataFrame) -> pd.Series:
    """The mean of the sets and tasks by setting, indexed by the parameters that were varied.

    Raises ValueError where a set or task is missing of a setting.
    """
    means = table[table["seed"] == "mean"]
    columns = list(table.columns)
    varied = columns[columns.index("bits") + 1 : columns.index("metric")]
    groups = means.groupby(varied, sort=False)["value"]
    if means["value"].isna().any() or groups.size().nunique() != 1:
        raise ValueError(f"{means['method'].iloc[0]}: not every setting has been measured")
    return groups.mean()


def chosen(found: pd.Series, default: tuple[str, ...]) -> tuple[str, ...]:
    """The winner's values of ``found.index``'s parameters; the default's if these are as good."""
    best = found.idxmax()
    return default if found[default] >= found[best] - MARGIN else best


def open_ends(found: pd.Series, winner: tuple[str, ...]) -> list[str]:
    """The parameters whose range ends at the winner."""
    ends = []
    for name, value in zip(found.index.names, winner, strict=True):
        values = found.index.unique(name)
        if len(values) >= RANGE and value in (values[0], values[-1]):
            ends.append(name)
    return ends


def row(table: pd.DataFrame) -> dict[str, object]:
    """What the report says of one method."""
    printed = table["method"].iloc[0]
    (method,) = (name for name in available() if label(name) == printed)
    found = scores(table)
    if found.index.nlevels == 1:
        found.index = pd.MultiIndex.from_arrays([found.index], names=[found.index.name])
    params = create(method, bits=16, seed=0).get_params()
    default = tuple(value_label(params[name]) for name in found.index.names)
    winner = chosen(found, default)
    return {
        "method": printed,
        "settings": len(found),
        "default": f"{found[default]:.3f}",
        "chosen": f"{found[winner]:.3f}",
        "values": ", ".join(f"{n} {v}" for n, v in zip(found.index.names, winner, strict=True)),
        "range ends at": ", ".join(open_ends(found, winner)) or "none",
    }


def render(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown."""
    head = list(rows[0])
    lines = ["# Equal tuning\n", "Made by `python -m benchmarks.tuning`.\n"]
    lines += [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(map(str, entry.values()))} |" for entry in rows]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the tables, write one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="+", help="results/tuning/<method>.csv")
    text = render([row(read_csv(path)) for path in parser.parse_args().tables])
    write_text(HERE / "results" / "tuning.md", text)
    print(text)


if __name__ == "__main__":
    main()
