"""CMIMH against the best of all other hashing methods, cell by cell, from figures already measured.

    python -m benchmarks.methods                     # wiki and synth: results/methods.csv
    snakemake ... results/comparison/lead.csv        # others, as overlays/comparison.yaml says
    python -m benchmarks.lead results/comparison/lead.csv

Writes ``results/lead.md``. A cell is a set, a code length and a task; its figure mAP@1000, mean and
standard deviation over five seeds. A win or a loss is a significant difference from the best other
method (p < .05): on scenes and coco-mini by the workflow's own paired test over the queries, on
wiki and synth, of which no figures by query are kept, by Welch's test over the seeds.
"""

import argparse
from pathlib import Path

import pandas as pd
from scipy.stats import ttest_ind

from benchmarks.methods import ACCURACY, HERE, TASKS, VARIANTS, label
from pipeline.files import write_text
from pipeline.methods import create
from pipeline.results.significance import LEVEL
from pipeline.results.tables import read_csv

CELL = ["set", "bits", "task"]
OURS = "cmimh"


def measured_directly(path: Path) -> pd.DataFrame:
    """A row a cell and method of ``benchmarks.methods``; p is CMIMH's against the best other."""
    table = pd.read_csv(path).melt(["method", "set", "bits", "seed"], TASKS, "task", "map")
    table = table[table["method"].isin([m for m in table["method"].unique() if competes(m)])]
    rows = []
    for cell, group in table.groupby(CELL):
        by_method = dict(list(group.groupby("method")["map"]))
        others = {method: values.mean() for method, values in by_method.items() if method != OURS}
        if OURS not in by_method or not others:
            continue
        best = by_method[max(others, key=others.get)]
        p = ttest_ind(best, by_method[OURS], equal_var=False).pvalue
        rows += [
            (*cell, label(method), method == OURS, values.mean(), values.std(), p)
            for method, values in by_method.items()
        ]
    return pd.DataFrame(rows, columns=[*CELL, "method", "ours", "mean", "std", "p"])


def competes(method: str) -> bool:
    """Not a variant of another method, nor one whose representations are real values."""
    return method not in VARIANTS and not create(method, bits=1, seed=0).real_valued


def measured_by_the_workflow(path: Path) -> pd.DataFrame:
    """The same of a long table; p is against the best of the cell, whichever that is."""
    table = read_csv(path).rename(columns={"dataset": "set"})
    keys = [*CELL, "method"]
    mean, std = (table[table["seed"] == kind].set_index(keys) for kind in ("mean", "std"))
    found = mean[["value", "p_value"]].join(std["value"].rename("std")).reset_index()
    found = found.rename(columns={"value": "mean", "p_value": "p"})
    return found.assign(ours=found["method"].str.lower() == OURS)


def cell_row(cell: pd.DataFrame) -> dict[str, object]:
    """CMIMH and the best other of one cell."""
    ours = cell[cell["ours"]].iloc[0]
    other = cell[~cell["ours"]].sort_values("mean").iloc[-1]
    lead = ours["mean"] - other["mean"]
    # the workflow tests against the best alone: the p of the pair stands with the worse of the two
    p = other["p"] if lead > 0 or pd.isna(ours["p"]) else ours["p"]
    verdict = "tie" if not p < LEVEL else "win" if lead > 0 else "loss"
    return {
        **{name: cell[name].iloc[0] for name in CELL},
        "CMIMH": f"{ours['mean']:.3f} ± {ours['std']:.3f}",
        "best other": f"{other['mean']:.3f} ± {other['std']:.3f}",
        "which": other["method"],
        "lead": lead,
        "verdict": verdict,
    }


def render(rows: pd.DataFrame) -> str:
    """The table as Markdown, after one paragraph that counts it."""
    count = rows["verdict"].value_counts()
    lines = [
        "# CMIMH beside the best other method\n",
        "Made by `python -m benchmarks.lead`: default settings, five seeds, mAP@1000 with ties in "
        "database order. Of all hashing methods here; LDR, whose representations are real-valued, "
        "is in [methods.md](methods.md).\n",
        f"**CMIMH has the best mean in {(rows['lead'] > 0).sum()} of {len(rows)} cells**; against "
        f"the best other method {count.get('win', 0)} wins, {count.get('tie', 0)} ties, "
        f"{count.get('loss', 0)} losses; at worst {rows['lead'].min():+.3f}.\n",
        "| set | bits | task | CMIMH | best other | which | lead | |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows.to_dict("records"):
        cells = {**row, "lead": f"{row['lead']:+.3f}"}
        lines.append(f"| {' | '.join(str(value) for value in cells.values())} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read both tables, write one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="*", help="long tables of the workflow")
    args = parser.parse_args()
    parts = [measured_directly(ACCURACY), *map(measured_by_the_workflow, args.tables)]
    rows = [
        cell_row(cell)
        for part in parts
        for _, cell in part.groupby(CELL, sort=False)
        if cell["ours"].any()
    ]
    text = render(pd.DataFrame(rows))
    write_text(HERE / "results" / "lead.md", text)
    print(text)


if __name__ == "__main__":
    main()
