"""Every method beside the figures its reference reaches, and what fitting it costs.

    python -m benchmarks.methods                     # what ``results/methods.csv`` still lacks
    python -m benchmarks.methods --methods cvh fsh   # these anew
    python -m benchmarks.methods --cost              # time and memory, likewise

Each writes its figures into a CSV file in ``results/``, a setting at a time, so that an interrupted
run goes on where it stopped, and then ``results/methods.md`` and the picture of quality against
cost from all of them. Figures are
mAP@1000 (hits divisor, exact expectation over all orders of ties), mean and standard deviation
over the seeds. References (``reference.csv``) have their ties in database order, so ours with such
ties (columns ``stable_*``) stand beside them. Costs are those at 5,000 pairs, d = 1024 and 1386, 32
bits, each method in a process of its own. Hyper-parameters are the defaults everywhere.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from benchmarks.reference_data import Retrieval, load
from pipeline import names
from pipeline.evaluation import evaluate, evaluate_real
from pipeline.methods import available, create
from pipeline.methods.base import Hasher
from pipeline.results.style import line_styles, quiet_axes
from pipeline.storage import store
from pipeline.storage.files import atomic_write, write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.transforms import Bbox

HERE = Path(__file__).parent
ACCURACY, COST = HERE / "results" / "methods.csv", HERE / "results" / "methods_cost.csv"
COST_PICTURE = HERE.parent / "docs" / "img" / "cost.png"
QUALITY = ("synth", 32)  # what stands beside the costs
SETTINGS = (("synth", 16), ("synth", 32), ("synth", 64), ("wiki", 16), ("wiki", 32))
TASKS = list(store.TASKS)
#: methods as their authors have them, where our defaults differ; beside the others in the tables
VARIANTS = {
    "djsrh-uncentred": ("djsrh", {"center": False}),
    "ukd_ss-published": ("ukd_ss", {"neighbor_fraction": 0.555, "quantisation": 1.0}),
}
#: the reference is a reconstruction or a quick trial: a floor, not a target
FLOORS = {"pdh", "acq", "djsrh", "cmimh", "cmimh_n"}
Row = dict[str, str | int | float]


STABLE = {task: f"stable_{task}" for task in TASKS}  # with ties in database order


def map_by_task(hasher: Hasher, data: Retrieval) -> dict[str, float]:
    """mAP@1000 of the four tasks, expected over ties and stable, fitted on the training rows."""
    hasher.fit(data.train_image, data.train_text)
    query = dict(zip("it", hasher.encode_pairs(data.query_image, data.query_text), strict=True))
    database = dict(
        zip("it", hasher.encode_pairs(data.database_image, data.database_text), strict=True)
    )
    measure = evaluate_real if hasher.real_valued else evaluate
    labels = data.query_labels, data.database_labels
    results = {task: measure(query[task[0]], database[task[2]], *labels) for task in TASKS}
    expected = {task: result.map for task, result in results.items()}
    return expected | {STABLE[t]: result.mean("ap_stable@1000") for t, result in results.items()}


def build(name: str, bits: int, seed: int) -> Hasher:
    """A method or a variant of one."""
    method, params = VARIANTS.get(name, (name, {}))
    return create(method, bits=bits, seed=seed, **params)


def accuracy(method: str, name: str, bits: int, data: Retrieval, seeds: int) -> list[Row]:
    """A row a seed of one setting."""
    return [
        {
            **{"method": method, "set": name, "bits": bits, "seed": seed},
            **map_by_task(build(method, bits, seed), data),
        }
        for seed in range(seeds)
    ]


def upsert_rows(path: Path, rows: list[Row], keys: list[str]) -> None:
    """Put ``rows`` into the CSV file, each in the place of what had the same keys."""
    table = pd.DataFrame(rows).round(4)
    if path.exists():
        table = pd.concat([pd.read_csv(path), table]).drop_duplicates(keys, keep="last")
    write_text(path, table.sort_values(keys).to_csv(index=False))


def measure_accuracy(methods: list[str] | None, shared: Path, seeds: int) -> None:
    """Measure the methods named, or every setting that is not in the file yet."""
    sets = {name: load(name, shared) for name, _ in SETTINGS}
    done = set()
    if methods is None and ACCURACY.exists():
        known = pd.read_csv(ACCURACY).dropna(subset=TASKS)  # older rows have stable values alone
        done = set(known.groupby(["method", "set", "bits"]).groups)
    for method in methods or [*available(), *VARIANTS]:
        for name, bits in SETTINGS:
            if (method, name, bits) not in done:
                rows = accuracy(method, name, bits, sets[name], seeds)
                upsert_rows(ACCURACY, rows, ["method", "set", "bits", "seed"])


def measure_cost(methods: list[str] | None, pairs: list[int], short: bool) -> None:
    """Time the methods named, or every one that is not in the file yet, on ``pairs`` rows."""
    how = "short" if short else "whole"
    done = set()
    if methods is None and COST.exists():
        done = set(pd.read_csv(COST).groupby(["method", "n"]).groups)
    for method in methods or available():
        for n in pairs:
            if (method, n) not in done:
                command = [sys.executable, "-m", "benchmarks.methods", "--fit", method, str(n), how]
                said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
                row = {"method": method, "n": n, "timed": how, **json.loads(said)}
                upsert_rows(COST, [row], ["method", "n"])


def fit_in_process(method: str, n: int, how: str) -> None:
    """Print the costs of ``method`` on n pairs as JSON; for ``short`` see ``extrapolate_cost``."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((n, 40))
    image = latent @ rng.standard_normal((40, 1024)) + 2 * rng.standard_normal((n, 1024))
    tags = latent @ rng.standard_normal((40, 1386)) / 6 + rng.standard_normal((n, 1386))
    views = np.maximum(image, 0).astype(np.float32), (tags > 2.2).astype(np.float32)
    hasher = build(method, 32, 0)
    print(json.dumps(costs(hasher, *views) if how == "whole" else extrapolate_cost(hasher, *views)))


def costs(hasher: Hasher, image: np.ndarray, text: np.ndarray) -> dict[str, float]:
    """Seconds to fit and to encode, seconds of CPU for both, and GB at the peak so far."""
    start, cpu = time.perf_counter(), time.process_time()
    hasher.fit(image, text)
    fitted = time.perf_counter()
    hasher.encode_image(image)
    hasher.encode_text(text)
    return {
        "fit": fitted - start,
        "encode": time.perf_counter() - fitted,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


def extrapolate_cost(hasher: Hasher, image: np.ndarray, text: np.ndarray) -> dict[str, float]:
    """Those of a method that learns in epochs, from one epoch and three on to its own number.

    A fit's time is a straight line in the epochs, and its memory does not grow with them.
    """
    epochs, points = hasher.epochs, {}
    hasher.fit(image[:100], text[:100])  # what happens once in a process is no part of the line
    for hasher.epochs in (1, 3):
        points[hasher.epochs] = costs(hasher, image, text)
    line = {
        key: points[1][key] + (epochs - 1) / 2 * (points[3][key] - points[1][key])
        for key in ("fit", "cpu")
    }
    return points[3] | line


def report() -> str:
    """All figures so far as Markdown."""
    parts = [
        "# The methods: accuracy and cost\n\nMade by `python -m benchmarks.methods`: mAP@1000, the "
        "exact expectation over ties, mean ± standard deviation over seeds (in brackets, where "
        "there is a reference: ours with ties in database order, the reference, the difference). "
        "A dash: only the value with ties in database order has been measured.\n"
    ]
    if ACCURACY.exists():
        table, known = pd.read_csv(ACCURACY), pd.read_csv(HERE / "reference.csv")
        parts += [setting_table(table, known, name, bits) for name, bits in SETTINGS]
    if COST.exists():
        parts.append(cost_table(pd.read_csv(COST), quality()))
    return "\n".join(parts)


def quality() -> pd.Series:
    """mAP@1000 by method, mean of i2t and t2i and of the seeds, on ``QUALITY``.

    The expectation over ties; with ties in database order where only that has been measured.
    """
    table = pd.read_csv(ACCURACY)
    table = table[(table["set"] == QUALITY[0]) & (table["bits"] == QUALITY[1])]
    means = table.groupby("method")[[*TASKS, *STABLE.values()]].mean()
    expected = means[["i2t", "t2i"]].mean(axis=1, skipna=False)
    return expected.fillna(means[["stable_i2t", "stable_t2i"]].mean(axis=1))


def setting_table(table: pd.DataFrame, known: pd.DataFrame, name: str, bits: int) -> str:
    """A row a method, sorted by the mean of i2t and t2i; **bold** is outside the band."""
    measured = table[(table["set"] == name) & (table["bits"] == bits)]
    ours = measured.groupby("method")[[*TASKS, *STABLE.values()]]
    references = known[(known["set"] == name) & (known["bits"] == bits)].set_index("method")
    means = ours.mean()
    level = means[["i2t", "t2i"]].mean(axis=1)
    level = level.fillna(means[["stable_i2t", "stable_t2i"]].mean(axis=1))
    order = level.sort_values(ascending=False).index
    lines = [f"## {name}, {bits} bits\n", f"| method | {' | '.join(TASKS)} | seeds |"]
    lines.append(f"|---|{'---|' * len(TASKS)}---|")
    for method in order:
        seeds = ours.get_group(method)
        reference = references.loc[method] if method in references.index else {}
        cells = [
            cell(method, seeds[task], seeds[stable], reference.get(task))
            for task, stable in STABLE.items()
        ]
        lines.append(f"| {label(method)} | {' | '.join(cells)} | {len(seeds)} |")
    return "\n".join(lines) + "\n"


def cell(method: str, seeds: pd.Series, stable: pd.Series, reference: float | None) -> str:
    """Ours; where there is a reference, ours with stable ties, that and the difference of both.

    Bold is outside the band, 0.02 or two standard deviations, whichever is wider; below only for
    floors. Where only stable values have been measured, they stand in brackets.
    """
    mean, std = stable.mean(), stable.std(ddof=1)
    ours = f"{seeds.mean():.3f} ± {seeds.std(ddof=1):.3f}" if seeds.notna().all() else "–"
    if reference is None:
        return ours if ours != "–" else f"– (stable {mean:.3f} ± {std:.3f})"
    difference = mean - reference
    text = f"{ours} (stable {mean:.3f}, {reference:.3f}, {difference:+.3f})"
    outside = -difference if method in FLOORS else abs(difference)
    return f"**{text}**" if outside > max(0.02, 2 * std) else text


def label(method: str) -> str:
    """The method's name, marked where it had to be made from a description; then its variant."""
    name, _, variant = method.partition("-")
    cls = type(build(method, 1, 0))
    remade = "re-implementation" in cls.__doc__.lower()
    notes = ["re-implementation"] * remade + [variant] * bool(variant)
    notes += ["not cross-modal: both views at test"] * cls.sees_both_views
    return f"{names.label(name)} ({', '.join(notes)})" if notes else names.label(name)


def cost_table(costs: pd.DataFrame, reached: pd.Series) -> str:
    """A row a method and size, the cheapest first, beside what it reaches on ``QUALITY``.

    CPU seconds are those of all cores, fit and encode together. ``short``: from one epoch and
    three, carried on to the default number of epochs.
    """
    name, bits = QUALITY
    head = ["method", "pairs", "timed", "fit, s", "encode, s", "CPU, s", "peak, GB"]
    head.append(f"mAP@1000 on {name}, {bits} bits")
    lines = ["## Cost beside quality\n", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for row in costs.sort_values("cpu").itertuples():
        lines.append(
            f"| {label(row.method)} | {row.n:,} | {row.timed} | {row.fit:.1f} | {row.encode:.2f} "
            f"| {row.cpu:.1f} | {row.peak:.2f} | {reached.get(row.method, np.nan):.3f} |"
        )
    told = (
        "mAP: mean of i2t and t2i and of the seeds. Costs are those of other, larger data: 5,000 "
        "pairs of 1,024 and 1,386 features, 32 bits."
    )
    return "\n".join(lines).replace(" nan |", " – |") + f"\n\n{told}\n"


def draw_cost(costs: pd.DataFrame, reached: pd.Series) -> None:
    """``docs/img/cost.png``: what a method reaches on ``QUALITY`` against its CPU seconds."""
    import matplotlib.pyplot as plt
    from matplotlib.transforms import Bbox

    known = costs[costs["method"].isin(reached.index)].sort_values("cpu")
    places = {
        names.label(method): (seconds, reached[method])
        for method, seconds in zip(known["method"], known["cpu"], strict=True)
    }
    look = line_styles(list(places))
    with quiet_axes():
        figure, axis = plt.subplots(figsize=(7.2, 4.2))
        for name, place in places.items():
            axis.plot(*place, color=look[name].color, marker=look[name].marker)
        axis.set_xscale("log")
        axis.margins(x=0.12)
        axis.set_xlabel("CPU seconds to fit and encode 5,000 pairs, 32 bits")
        axis.set_ylabel(f"mAP@1000 on {QUALITY[0]}, {QUALITY[1]} bits")
        figure.tight_layout()
        taken = [Bbox.from_extents(x - 5, y - 5, x + 5, y + 5)
                 for x, y in axis.transData.transform(list(places.values()))]  # fmt: skip
        for name, place in places.items():
            taken.append(_annotate(axis, name, place, taken))
        with atomic_write(COST_PICTURE) as part:
            figure.savefig(part, format="png", dpi=110, metadata={"Software": None})
        plt.close(figure)


def _annotate(axis: "Axes", text: str, place: tuple[float, float], taken: list["Bbox"]) -> "Bbox":
    """Write ``text`` beside a point, at the first of some places where nothing else is."""
    places = [(side, 4 + 9 * step) for step in (0, -1, 1, -2, 2, -3, 3) for side in (6, -6)]
    for x, y in places:
        note = axis.annotate(
            text, place, (x, y), textcoords="offset points", fontsize=8,
            ha="left" if x > 0 else "right",
        )  # fmt: skip
        box = note.get_window_extent()
        if not any(box.overlaps(other) for other in taken):
            break
        if (x, y) != places[-1]:
            note.remove()
    return box


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, default=os.environ.get("CMIMH_SHARED", "../shared"))
    parser.add_argument(
        "--methods", nargs="+", choices=[*available(), *VARIANTS], help="measure these anew"
    )
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cost", action="store_true", help="time and memory instead of mAP")
    parser.add_argument("--pairs", type=int, nargs="+", default=[5000], help="of --cost")
    parser.add_argument("--short", action="store_true", help="--cost from one epoch and three")
    parser.add_argument("--fit", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.fit:
        return fit_in_process(args.fit[0], int(args.fit[1]), args.fit[2])
    if args.cost:
        measure_cost(args.methods, args.pairs, args.short)
    else:
        measure_accuracy(args.methods, Path(args.shared), args.seeds)
    write_text(HERE / "results" / "methods.md", report())
    draw_cost(pd.read_csv(COST), quality())


if __name__ == "__main__":
    main()
