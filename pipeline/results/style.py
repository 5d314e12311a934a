"""How figures look: one colour, line and marker per method, the same in every figure.

Okabe and Ito's palette, which readers with any common colour blindness can tell apart; lines and
markers differ as well, so that a black-and-white print can be read.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

INK, FAINT, GRID = "#222222", "#6b6b6b", "#e4e4e4"


class LineStyle(NamedTuple):
    """What a line is drawn with; ``width`` in points."""

    color: str
    dash: Any
    marker: str
    width: float = 1.4


_BLACK, _ORANGE, _SKY, _GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
_BLUE, _VERMILION, _PURPLE, _GRAY = "#0072B2", "#D55E00", "#CC79A7", "#7f7f7f"
_DASHES = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))

_METHODS = {
    "CMIMH": LineStyle(_VERMILION, "-", "o", 2.2),
    "DJSRH": LineStyle(_BLUE, "--", "s"),
    "FSH": LineStyle(_GREEN, "-.", "^"),
    "ACQ": LineStyle(_PURPLE, "-", "D"),
    "CMFH": LineStyle(_ORANGE, "--", "v"),
    "PDH": LineStyle(_SKY, "-.", "P"),
    "CVH": LineStyle(_GRAY, ":", "X"),
    "UDCMH": LineStyle(_GREEN, ":", "<"),
    "MGAH": LineStyle(_SKY, ":", ">"),
    "UKD-SS": LineStyle(_PURPLE, ":", "*"),
    "CRE": LineStyle(_BLUE, ":", "h"),
    "LDR": LineStyle(_BLACK, "--", "p"),
    "RANDOM": LineStyle(_BLACK, ":", "x", 1.0),
    "i2t": LineStyle(_VERMILION, "-", "o", 1.8),
    "t2i": LineStyle(_BLUE, "--", "s", 1.8),
    "i2i": LineStyle(_ORANGE, "-.", "^", 1.8),
    "t2t": LineStyle(_GREEN, ":", "D", 1.8),
}
_COLORS = (_VERMILION, _BLUE, _GREEN, _ORANGE, _PURPLE, _SKY, _BLACK)
_MARKERS = "osD^vPX"


def line_styles(names: Sequence[str]) -> dict[str, LineStyle]:
    """The look of each name: a known one's own, else the next that is free, in the order given."""
    taken = {_METHODS[name][:3] for name in names if name in _METHODS}
    free = (look for look in _others() if look[:3] not in taken)
    return {name: _METHODS[name] if name in _METHODS else next(free) for name in names}


def _others() -> Iterator[LineStyle]:
    """Looks without end; colours change fastest."""
    number = 0
    while True:
        turn, place = divmod(number, len(_COLORS))
        marker = _MARKERS[(place + turn) % len(_MARKERS)]
        yield LineStyle(_COLORS[place], _DASHES[turn % len(_DASHES)], marker)
        number += 1


@contextmanager
def quiet_axes() -> Iterator[None]:
    """Matplotlib settings for the length of a figure: quiet axes, the same bytes every time."""
    import matplotlib

    matplotlib.use("Agg", force=False)
    settings = {
        "svg.hashsalt": "pipeline",
        "svg.fonttype": "path",
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": FAINT,
        "axes.titlesize": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": GRID,
        "grid.linewidth": 0.7,
        "xtick.color": FAINT,
        "ytick.color": FAINT,
        "legend.frameon": False,
        "figure.facecolor": "white",
    }
    with matplotlib.rc_context(settings):
        yield
