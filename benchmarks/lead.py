"""CMIMH and CMIMH-N beside the best of all other hashing methods, from figures already measured.

    python -m benchmarks.methods                     # wiki and synth: results/methods.csv
    snakemake ... results/comparison/lead.csv        # others, as overlays/comparison.yaml says
    python -m benchmarks.lead results/comparison/lead.csv

Writes ``results/lead.md``. A cell is a set, a code length and a task; its figure mAP@1000, the
exact expectation over ties, mean and standard deviation over the seeds. No significance is claimed:
the best other method is chosen after the fact. What can be claimed against each other method is in
the workflow's own tables.
"""

import argparse
from pathlib import Path

import pandas as pd

from benchmarks.methods import ACCURACY, HERE, TASKS, VARIANTS, label
from pipeline.methods import create
from pipeline.results.tables import read_csv
from pipeline.storage.files import write_text

CELL = ["set", "bits", "task"]
PAPER, OURS = "CMIMH", "CMIMH-N"


def measured_directly(path: Path) -> pd.DataFrame:
    """A row a cell and method of ``benchmarks.methods``."""
    table = pd.read_csv(path).dropna(subset=TASKS)  # older rows have no expectation over ties
    table = table.melt(["method", "set", "bits", "seed"], TASKS, "task", "map")
    table = table[table["method"].isin([m for m in table["method"].unique() if competes(m)])]
    found = table.groupby([*CELL, "method"])["map"].agg(["mean", "std"]).reset_index()
    return found.assign(method=found["method"].map(label))


def competes(method: str) -> bool:
    """Not a variant of another method, nor one whose representations are real values."""
    return method not in VARIANTS and not create(method, bits=1, seed=0).real_valued


def measured_by_the_workflow(path: Path) -> pd.DataFrame:
    """The same of a long table."""
    table = read_csv(path).rename(columns={"dataset": "set"})
    kinds = [table[table["seed"] == kind].set_index([*CELL, "method"]) for kind in ("mean", "std")]
    return pd.concat([k["value"] for k in kinds], axis=1, keys=["mean", "std"]).reset_index()


def cell_row(cell: pd.DataFrame) -> dict[str, object]:
    """Both of one cell, and the best other."""
    by_method = cell.set_index("method")
    others = by_method.drop([PAPER, OURS])
    best = others["mean"].idxmax()

    def told(method: str) -> str:
        return f"{by_method.loc[method, 'mean']:.3f} ± {by_method.loc[method, 'std']:.3f}"

    leads = {m: by_method.loc[m, "mean"] - others.loc[best, "mean"] for m in (PAPER, OURS)}
    return {
        **{name: cell[name].iloc[0] for name in CELL},
        **{name: told(name) for name in (PAPER, OURS)},
        "best other": told(best),
        "which": best,
        **{f"lead of {name}": lead for name, lead in leads.items()},
    }


def render(rows: pd.DataFrame) -> str:
    """The table as Markdown, after one paragraph that counts it."""
    leads = rows[[f"lead of {PAPER}", f"lead of {OURS}"]]
    head = list(rows.columns)
    lines = [
        f"# {PAPER} and {OURS} beside the best other method\n",
        "Made by `python -m benchmarks.lead`: default settings, mAP@1000, the exact expectation "
        "over ties, mean and standard deviation over seeds. Of all hashing methods; LDR, whose "
        "representations are real-valued, is in [methods.md](methods.md).\n",
        f"Of {len(rows)} cells the best mean is one of these two in "
        f"**{(leads.max(axis=1) > 0).sum()}**, {PAPER}'s alone above every other method's in "
        f"{(leads.iloc[:, 0] > 0).sum()}, {OURS}'s in {(leads.iloc[:, 1] > 0).sum()}. The better "
        f"of the two is at worst {leads.max(axis=1).min():+.3f} from the best other.\n",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
    ]
    for row in rows.to_dict("records"):
        cells = (f"{v:+.3f}" if isinstance(v, float) else str(v) for v in row.values())
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Read the tables, write one."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tables", type=Path, nargs="*", help="long tables of the workflow")
    args = parser.parse_args()
    parts = [measured_directly(ACCURACY), *map(measured_by_the_workflow, args.tables)]
    cells = [cell for part in parts for _, cell in part.groupby(CELL, sort=False)]
    rows = [cell_row(cell) for cell in cells if {PAPER, OURS} <= set(cell["method"])]
    text = render(pd.DataFrame(rows))
    write_text(HERE / "results" / "lead.md", text)
    print(text)


if __name__ == "__main__":
    main()
