"""Colours and strokes that several painters of things share."""

from pipeline.datasets._scenes.canvas import Colour, Pen

DARK: Colour = (0.16, 0.15, 0.18)
WOOD: Colour = (0.45, 0.32, 0.22)
CREAM: Colour = (0.96, 0.93, 0.85)


def ground_shadow(pen: Pen, half: float) -> None:
    """The soft shadow under a thing that stands."""
    pen.oval(0.05, 0, half, 0.05, (0.1, 0.1, 0.15), alpha=0.22)
