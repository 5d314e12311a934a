"""Settings with made-up metrics, written through the store, for the tests of the results."""

import numpy as np

from pipeline.storage import store

TASKS = ("i2t", "t2i", "i2i", "t2t")
VARIANTS = (
    "expected_hits",
    "expected_min",
    "expected_total",
    "stable",
    "optimistic",
    "pessimistic",
)


def per_query(rng, level, seeds=3, queries=120):
    """AP per query around ``level``, the seeds a little apart."""
    noise = 0.08 * rng.standard_normal((seeds, queries)) + 0.01 * rng.standard_normal((seeds, 1))
    return np.clip(level + noise, 0, 1)


def groups(rng, level, bits, seeds=3):
    """The groups of a metrics file whose numbers all lie around ``level``."""
    radius = np.linspace(0, 1, bits + 1) ** 2
    shift = 0.01 * rng.standard_normal((seeds, 1))
    found = {}
    for task in TASKS:
        arrays = {
            f"ap_{variant}@{cut}": per_query(rng, level, seeds)
            for variant in VARIANTS
            for cut in ("50", "1000", "all")
        }
        arrays |= {f"hit@{k}": per_query(rng, level, seeds) for k in (1, 10)}
        arrays["precision_at"] = level * np.exp(-np.arange(1, 301) / 900)[None] + shift
        arrays["pr_recall_micro"] = np.tile(radius, (seeds, 1))
        precision = level * (1 - 0.5 * radius)[None] + shift
        precision[:, 0] = np.nan  # nothing lies at radius 0
        arrays["pr_precision_micro"] = arrays["pr_precision_macro"] = precision
        found[task] = arrays
    found["queries"] = {"rows": np.arange(seeds * 120).reshape(seeds, 120)}
    found["codes"] = {"corr_mse_image": np.full(seeds, 0.04), "corr_mse_text": np.full(seeds, 0.05)}
    return found


def cell(folder, *, level=0.6, number=0, seeds=3, metrics=None, **keys):
    """Write one setting below ``folder`` and give its cell of a spec."""
    keys = {"dataset": "mirflickr25k", "features": "f", "split": "paper", "method": "CMIMH",
            "bits": 32} | keys  # fmt: skip
    folder = folder / "-".join(str(value).replace("/", "") for value in keys.values())
    folder.mkdir(parents=True)
    rng = np.random.default_rng(number)
    numbers = list(range(seeds))
    measured = groups(rng, level, keys["bits"], seeds) if metrics is None else metrics
    store.write_metrics(folder / "test.h5", measured, numbers, store.Provenance("evaluate"))
    histogram = np.full((seeds, 50), 0.02)
    diagnostics = {"tc_image": 2.0 + np.arange(seeds), "tc_text": 3.0 + np.arange(seeds),
                   "p_histogram_image": histogram, "p_histogram_text": histogram}  # fmt: skip
    bits = rng.random((2, seeds, 40, keys["bits"])) < 0.5
    codes = store.Codes(numbers, bits[0], bits[1], diagnostics)
    store.write_codes(folder / "codes.h5", codes, store.Provenance("train"))
    files = {"metrics_file": str(folder / "test.h5"), "codes_file": str(folder / "codes.h5")}
    return keys | files


def spec(cells, **others):
    """A spec around cells; a table of mAP@1000 unless told otherwise."""
    usual = {"name": "table3", "title": "A table", "kind": "table", "metrics": ["mAP@1000"],
             "rows": ["task", "method"], "columns": ["dataset", "bits"], "tasks": ["i2t", "t2i"],
             "seeds": [0, 1, 2], "reference": {"method": "CMIMH"}}  # fmt: skip
    return usual | others | {"cells": cells}
