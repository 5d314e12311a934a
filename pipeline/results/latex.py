"""A table as LaTeX: booktabs rules, and nothing else that the preamble would have to load."""

from pipeline.results.views import MINUS, Cell, View

_ESCAPES = {
    "\\": r"\textbackslash{}",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "→": r"$\to$",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "‡": r"$^\ddagger$",
    "§": r"$^\S$",
    "α": r"$\alpha$",
    "–": "--",
    "*": r"$^\ast$",
    MINUS: "$-$",
}


def render(view: View) -> str:
    """The view and its effects as ``table*`` environments, the paper's numbers smaller below ours.

    Small enough that the largest table of the paper, 28 rows of nine numbers with the paper's, fits
    a page of a journal in two columns.
    """
    tables = [view, view.effects] if view.effects else [view]
    return "\n".join([r"% needs \usepackage{booktabs}", *map(_environment, tables)]) + "\n"


def _environment(view: View) -> str:
    stub = len(view.row_keys)
    lines = [
        r"\begin{table*}",
        r"\centering",
        r"\scriptsize\setlength{\tabcolsep}{2pt}",
        rf"\caption{{{_escaped(view.title)}. {_escaped(' '.join(view.notes))}}}",
        rf"\begin{{tabular}}{{{'l' * stub}{'r' * len(view.columns)}}}",
        r"\toprule",
        *_header(view),
        r"\midrule",
        *_body(view),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table*}",
    ]
    return "\n".join(lines)


def _header(view: View) -> list[str]:
    """One line per level; a rule below each label that spans several columns."""
    levels = len(view.columns[0])
    lines = []
    for level in range(levels):
        last = level == levels - 1
        stub = [_escaped(key) if last else "" for key in view.row_keys]
        spans = view.header(level)
        labels = [
            _escaped(label) if width == 1 else rf"\multicolumn{{{width}}}{{c}}{{{_escaped(label)}}}"
            for label, width in spans
        ]
        lines.append(" & ".join([*stub, *labels]) + r" \\")
        if not last:
            lines.append(_rules(spans, first=len(stub) + 1))
    return lines


def _rules(spans: list[tuple[str, int]], first: int) -> str:
    rules = []
    for _, width in spans:
        rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    return "".join(rules)


def _body(view: View) -> list[str]:
    """The rows; headings stand once, with a rule before each but the first."""
    lines: list[str] = []
    for heading, rows in view.row_groups():
        lines += [r"\midrule"] if lines else []
        for position, (i, labels) in enumerate(rows):
            first = (heading if position == 0 else "",) if view.grouped else ()
            lines += _row(view, i, first + labels)
    return lines


def _row(view: View, i: int, labels: tuple[str, ...]) -> list[str]:
    cells = [view.cell(i, j) for j in range(len(view.columns))]
    lines = [" & ".join([*map(_escaped, labels), *map(_ours, cells)]) + r" \\"]
    if any(cell.paper or cell.interval for cell in cells):
        lines.append(" & ".join([*("" for _ in labels), *map(_printed, cells)]) + r" \\")
    return lines


def _ours(cell: Cell) -> str:
    if not cell.ours:
        return "--"
    number = _escaped(cell.ours)
    marked = {0: number, 1: rf"\textbf{{{number}}}", 2: rf"\underline{{{number}}}"}[cell.best]
    dagger = r"$^\dagger$" if cell.significant else ""
    dagger += r"$^\ddagger$" if cell.collapsed else ""
    dagger += r"$^\S$" if cell.both_views else ""
    spread = rf"{{\tiny$\pm${cell.std}}}" if cell.std else ""
    return marked + dagger + spread


def _printed(cell: Cell) -> str:
    """What stands below the number: the interval of an effect, or the paper's number."""
    if cell.interval:
        return rf"{{\tiny {_escaped(cell.interval)}}}"
    if not cell.paper:
        return ""
    star = r"$^\ast$" if cell.beyond_noise else ""
    difference = rf"\,{_escaped(cell.difference)}{star}" if cell.difference else ""
    return rf"{{\tiny {_escaped(cell.paper)}{difference}}}"


def _escaped(text: str) -> str:
    return "".join(_ESCAPES.get(character, character) for character in text)
