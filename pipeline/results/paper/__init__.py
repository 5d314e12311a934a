"""The numbers that the paper prints in Tables I to IX, as data, one tidy CSV per table.

Columns: dataset, task, method, bits, what else the table varies, metric, value. Values are in the
units of our own metrics: shares of 1 where the paper prints percent, nats for the total
correlation TC, the plain mean square for corr_mse. Both of those are measured on one modality, so
their task is ``image`` or ``text``.

A data set is named as in the config. One table has one choice of features, so the name of the
table says what the CSV does not: Table VIII is NUS-WIDE with hand-crafted features. The paper does
not name the data set of Table VII; it stands under coco2017, on which LDR reports.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = Path(__file__).parent


def available() -> list[str]:
    """The names of the tables: table1 to table9."""
    return sorted(path.stem for path in _FOLDER.glob("*.csv"))


def load(name: str) -> "pd.DataFrame":
    """The numbers of one table (``table3``), tidy; every column but bits and value is text."""
    import pandas as pd

    if name not in available():
        raise InputError(f"the paper has no {name!r}; there are {', '.join(available())}")
    text = pd.read_csv(_FOLDER / f"{name}.csv", dtype=str, keep_default_na=False)
    return text.astype({"bits": int, "value": float})
