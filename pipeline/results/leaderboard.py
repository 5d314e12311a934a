"""The leaderboard: one HTML page of an experiment under its protocols, sortable, nothing to fetch.

Without scripts it shows the tables of all protocols one below the other.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.methods import ORIGIN, available, origin
from pipeline.names import label
from pipeline.results import rankings
from pipeline.results.record import write_record
from pipeline.results.report import templates
from pipeline.results.tables import read_csv, write_csv
from pipeline.results.views import View, view
from pipeline.storage.files import read_json, write_text

if TYPE_CHECKING:
    import pandas as pd

Spec = Mapping[str, Any]
_SHAPE = {"rows": ["method"], "columns": ["dataset", "bits", "task"]}


def write_rankings(spec: Spec, path: Path | str) -> None:
    """Write ``path`` (.csv), Markdown, the leaderboard (.html) and a record (.json) beside it.

    spec  of ``plan.rankings_spec``, whose tables have been made
    """
    path, files = Path(path), {p: Path(table["file"]) for p, table in spec["tables"].items()}
    tables = {protocol: read_csv(file) for protocol, file in files.items()}
    ranks, taus = rankings.ranked(spec, tables), rankings.agreement(spec, tables)
    shown = {
        protocol: view(read_json(files[protocol].with_suffix(".json")) | _SHAPE, table)
        for protocol, table in tables.items()
    }
    write_csv(ranks, path)
    write_text(path.with_suffix(".md"), rankings.render(spec, ranks, taus))
    write_text(path.with_suffix(".html"), render(spec, ranks, taus, shown))
    write_record(path, spec)


def render(
    spec: Spec,
    ranks: "pd.DataFrame",
    taus: Mapping[tuple[str, str], float],
    views: Mapping[str, View],
) -> str:
    """The page; ``views`` has, by protocol, a table with a row a method."""
    names = list(views)
    boards = [
        {
            "protocol": protocol,
            **spec["tables"][protocol],
            "view": views[protocol],
            "rows": _in_order(views[protocol], rankings.mean_ranks(ranks, protocol)),
        }
        for protocol in names
    ]
    shown = set(ranks["method"])
    return (
        templates()
        .get_template("leaderboard.html.j2")
        .render(
            title=spec["title"],
            boards=boards,
            protocols=names,
            agreement={
                one: [rankings.tau_text(taus[one, other]) for other in names] for one in names
            },
            origin_of=ORIGIN,
            origins={label(n): origin(n) for n in available() if label(n) in shown},
        )
    )


def _in_order(view: View, mean_rank: Mapping[str, float]) -> Sequence[tuple[int, str, str]]:
    """(row of the view, method, mean rank as text), best first; unranked methods last."""
    places = {labels[0]: number for number, labels in enumerate(view.rows)}
    return [
        (places[method], method, f"{rank:.1f}" if rank == rank else "")
        for method, rank in mean_rank.items()
    ]
