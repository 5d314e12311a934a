"""A table as Markdown."""

from collections.abc import Sequence

from pipeline.results.views import Cell, View


def render(view: View) -> str:
    """The view, and its effects, as GitHub-flavoured Markdown tables with titles and notes."""
    return _section("#", view) + (f"\n{_section('##', view.effects)}" if view.effects else "")


def _section(heading: str, view: View) -> str:
    head = [*view.row_keys, *(" ".join(column) for column in view.columns)]
    lines = [line(head), line(["---"] * len(view.row_keys) + ["---:"] * len(view.columns))]
    for i, labels in enumerate(view.rows):
        cells = [_cell(view.cell(i, j)) for j in range(len(view.columns))]
        lines.append(line([*(escaped(label) for label in labels), *cells]))
    notes = "\n".join(f"- {escaped(note)}" for note in view.notes)
    return f"{heading} {escaped(view.title)}\n\n" + "\n".join(lines) + f"\n\n{notes}\n"


def line(cells: Sequence[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    printed = " ".join(part for part in (cell.paper, _difference(cell)) if part)
    return "<br>".join(part for part in (_ours(cell), printed) if part) or " "


def _ours(cell: Cell) -> str:
    if not cell.ours:
        return "–"
    marked = {0: cell.ours, 1: f"**{cell.ours}**", 2: f"<u>{cell.ours}</u>"}[cell.best]
    dagger = ("†" if cell.significant else "") + ("‡" if cell.collapsed else "")
    dagger += "§" if cell.both_views else ""
    spread = f" ± {cell.std}" if cell.std else ""
    interval = f" {cell.interval}" if cell.interval else ""
    return f"{marked}{dagger}{spread}{interval}"


def _difference(cell: Cell) -> str:
    star = r"\*" if cell.beyond_noise else ""
    return f"({cell.difference}{star})" if cell.difference else ""


def escaped(text: str) -> str:
    """Text that Markdown shows as it is."""
    for special in ("\\", "|", "*", "_", "<", "`"):
        text = text.replace(special, f"\\{special}")
    return text
