"""What habits of the field do to a number: each measured, in points of mAP, on four small sets.

    make habits                                   # makes the sets, then what the CSV still lacks
    python -m benchmarks.habits --methods ucch    # these again

Every row of the CSV is one habit, set, method and seed: ``honest`` and ``bent`` are the mean of
i2t and t2i mAP@1000 on test queries, 16 bits, expected over ties where the habit is not one of
ties. One fit serves all habits but one, which needs two trainings of its own. Then the figure
``docs/img/habits.png`` and ``results/habits.md`` are made from the CSV; ``docs/habits.md`` says
what they mean. No method is chosen or tuned by any of this.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from torch.optim.optimizer import register_optimizer_step_post_hook

from benchmarks.methods import HERE, upsert_rows
from pipeline.evaluation import evaluate
from pipeline.methods import create
from pipeline.methods.base import Hasher
from pipeline.methods.ucmfh import UCMFH
from pipeline.names import label
from pipeline.results.style import line_styles, quiet_axes
from pipeline.runs import plan
from pipeline.runs.config_files import completed
from pipeline.seeds import derive
from pipeline.storage import store
from pipeline.storage.files import atomic_write, write_text

RESULTS = HERE / "results" / "habits.csv"
PICTURE = HERE.parent / "docs" / "img" / "habits.png"
OVERLAY = HERE.parent / "overlays" / "comparison.yaml"
EXPERIMENT = "field"
BITS, K, BATCH = 16, 1000, 128
KEYS = ["habit", "set", "method", "seed"]
#: methods and what is smaller here than their defaults, for the cost's sake
METHODS: dict[str, dict[str, Any]] = {
    "random": {},
    "cvh": {},
    "cca_itq": {},
    "fsh": {},
    "ucmfh_withheld": {"hidden": 512, "width": 64, "epochs": 10},
    "ucch": {"hidden": 256},
    "djsrh": {"hidden": 256, "epochs": 20},
    "dsah": {"hidden": 256, "epochs": 20},
    "cirh": {"hidden": 512, "width": 256, "epochs": 30},
    "cmimh": {"hidden": 128, "critic_hidden": 32, "on_collapse": "warn"},
}
WITHOUT_NETWORKS = ("random", "cvh", "cca_itq", "fsh")  # their marks are hollow in the figure
#: those trained twice more, for what other training rows do
TRAINED_ELSEWHERE = ("cvh", "cca_itq", "fsh", "djsrh")
#: a habit -> what is done, in the figure's order
HABITS = {
    "best_epoch": "the epoch that is best on test queries, for the last",
    "queries_neighbours": "trained on the queries' nearest rows, for rows drawn at random",
    "both_views": "both views of a query and of an item seen at test, for one",
    "dropped_batch": f"the last incomplete batch of {BATCH} dropped, of queries and of database",
    "divisor": "a divisor of Q + 10 for Q queries",
    "ties_database": "ties in database order, for their expectation",
    "ties_optimistic": "relevant items first in every tie",
    "ties_pessimistic": "relevant items last in every tie",
}


@dataclass(frozen=True)
class Data:
    """A set with the split of a seed: features (n, d) and 0/1 labels (n, c) of all pairs."""

    image: np.ndarray
    text: np.ndarray
    labels: np.ndarray
    split: store.Split

    def score(self, hasher: Hasher, **rows: np.ndarray) -> dict[str, float]:
        """See ``measured``; codes from one view alone, ``rows`` in the place of the split's."""
        query, database = (rows.get(p, getattr(self.split, p)) for p in ("query", "database"))
        parts = [
            (hasher.encode_image(self.image[part]), hasher.encode_text(self.text[part]))
            for part in (query, database)
        ]
        return measured(parts, self.labels[query], self.labels[database])


def measured(parts: list[tuple[np.ndarray, ...]], *labels: np.ndarray) -> dict[str, float]:
    """Mean of i2t and t2i mAP@K by the order of ties, from (image, text) codes of both parts."""
    query, database = parts
    both = [evaluate(query[a], database[1 - a], *labels, k=K, threads=1) for a in (0, 1)]
    kinds = ("expected_hits", "stable", "optimistic", "pessimistic")
    return {kind: float(np.mean([r.ap(K, kind).mean() for r in both])) for kind in kinds}


def sets() -> dict[str, plan.Setting]:
    """The sets of the overlay's experiment, each by one of its settings."""
    config = configured()
    return {s.dataset: s for s in plan.settings(config, EXPERIMENT)}


def configured() -> dict[str, Any]:
    """The overlay's whole config."""
    config = completed(yaml.safe_load(OVERLAY.read_text()), HERE.parent / "config.yaml")
    plan.spread_protocols(config)
    return config


def read(setting: plan.Setting, seed: int) -> Data:
    """What the workflow has made of a set, as its methods see it."""
    config = configured()
    place, entry = Path(config["artefacts"], setting.dataset), config["features"][setting.features]
    own = place / setting.features / setting.split
    splits = store.read_splits(own / "split.h5")
    views = []
    for view in ("image", "text"):
        file = own / f"{view}-pca.h5" if f"{view}_pca" in entry else None
        with store.open_features(file or place / view / f"{entry[view]}.h5") as features:
            views.append(features.rows(slice(None), list(splits).index(seed)))
    return Data(*views, store.read_labels(place / "pairs.h5"), splits[seed])


def rows_of(name: str, data: Data, seed: int) -> Iterator[dict[str, Any]]:
    """habit, honest and bent value of everything that is measured of a method on a set."""
    watch = Epochs(build(name, seed))
    watch.fit(data.image[data.split.train], data.text[data.split.train])
    hasher, found = watch.hasher, data.score(watch.hasher)
    honest = found["expected_hits"]

    def row(habit: str, bent: float, honest: float = honest) -> dict[str, Any]:
        return {"habit": habit, "honest": honest, "bent": bent}

    queries = len(data.split.query)
    yield row("divisor", honest * queries / (queries + 10))
    yield row("ties_database", found["stable"])
    yield row("ties_optimistic", found["optimistic"])
    yield row("ties_pessimistic", found["pessimistic"])
    if min(queries, len(data.split.database)) >= BATCH:
        yield row("dropped_batch", data.score(hasher, **without_rest(data.split))["expected_hits"])
    if isinstance(hasher, UCMFH):
        yield row("both_views", both_views(hasher, data))
    elif watch.states:
        by_epoch = [data.score(h)["expected_hits"] for h in watch.epochs()]
        yield row("best_epoch", max(by_epoch))
    if name in TRAINED_ELSEWHERE:
        fair, near = training_rows(data, seed)
        parts = [build(name, seed).fit(data.image[rows], data.text[rows]) for rows in (fair, near)]
        values = [data.score(h)["expected_hits"] for h in parts]
        yield row("queries_neighbours", values[1], values[0])


def build(name: str, seed: int) -> Hasher:
    """An unfitted method, seeded as the workflow does it."""
    return create(name, bits=BITS, seed=derive(seed, "method", name, BITS), **METHODS[name])


def without_rest(split: store.Split) -> dict[str, np.ndarray]:
    """What loaders with ``drop_last`` leave of queries and database."""
    parts = {"query": split.query, "database": split.database}
    return {name: rows[: len(rows) - len(rows) % BATCH] for name, rows in parts.items()}


def both_views(hasher: UCMFH, data: Data) -> float:
    """The score when the codes of a pair are made from both of its views, a batch at a time."""
    parts = [
        UCMFH.encode_pairs(hasher, data.image[rows], data.text[rows])
        for rows in (data.split.query, data.split.database)
    ]
    labels = data.labels[data.split.query], data.labels[data.split.database]
    return measured(parts, *labels)["expected_hits"]


def training_rows(data: Data, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Half of the database drawn at random, and the half that is nearest to the queries.

    Nearness of a row is its largest sum over the views of the cosine with a query, features being
    centred on the database; labels have no part in it.
    """
    database, nearness = data.split.database, 0.0
    for view in (data.image, data.text):
        centred = view - view[database].mean(axis=0)
        unit = centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-12)
        nearness = nearness + unit[database] @ unit[data.split.query].T
    half = len(database) // 2
    near = database[np.argsort(-nearness.max(axis=1), kind="stable")[:half]]
    rng = np.random.default_rng(derive(seed, "habits"))
    return np.sort(rng.permutation(database)[:half]), np.sort(near)


class Epochs:
    """A fit whose networks are remembered as they are after each epoch.

    Works for what is trained by any optimizer of torch and reports its epochs; for other methods
    ``states`` stays empty.
    """

    def __init__(self, hasher: Hasher) -> None:
        self.hasher, self.states = hasher, []
        self._parameters: dict[int, torch.Tensor] = {}

    def fit(self, image: np.ndarray, text: np.ndarray) -> None:
        def seen(optimizer: torch.optim.Optimizer, *_: object) -> None:
            for group in optimizer.param_groups:
                self._parameters.update({id(p): p for p in group["params"]})

        def note(_: object) -> None:
            if self._parameters:
                values = {key: p.detach().clone() for key, p in self._parameters.items()}
                self.states.append(values)

        self.hasher.on_epoch, hook = note, register_optimizer_step_post_hook(seen)
        try:
            self.hasher.fit(image, text)
        finally:
            hook.remove()
        self._check(image)

    @torch.no_grad()
    def epochs(self) -> Iterator[Hasher]:
        """The hasher after each epoch in turn; after the last it is as ``fit`` left it."""
        for state in self.states:
            for parameter in self._own():
                parameter.copy_(state[id(parameter)])
            yield self.hasher

    def _own(self) -> list[torch.Tensor]:
        nets = self.hasher.image_net_, self.hasher.text_net_
        return list({id(p): p for net in nets for p in net.parameters()}.values())

    def _check(self, image: np.ndarray) -> None:
        """The last state has to be the one that is encoded with."""
        if not self.states:
            return
        before = self.hasher.project_image(image[:100])
        *_, last = self.epochs()
        if not np.array_equal(before, last.project_image(image[:100])):
            raise RuntimeError(f"{self.hasher}: its networks are not those after its last epoch")


def measure(methods: list[str] | None, names: list[str], seeds: list[int]) -> None:
    """Measure the methods named again, or every one that is not in the file yet, on some sets."""
    known = pd.read_csv(RESULTS) if RESULTS.exists() else pd.DataFrame(columns=KEYS)
    done = set() if methods else set(known.groupby(KEYS[1:]).groups)
    for method, name, seed in product(methods or METHODS, names, seeds):
        if (name, method, seed) not in done:
            where = {"set": name, "method": method, "seed": seed}
            rows = [where | row for row in rows_of(method, read(sets()[name], seed), seed)]
            upsert_rows(RESULTS, rows, KEYS)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Points of mAP by habit, set and method: mean, std over seeds, seeds."""
    points = table.assign(points=100 * (table["bent"] - table["honest"]))
    return points.groupby(KEYS[:3])["points"].agg(["mean", "std", "size"]).reset_index()


def report(table: pd.DataFrame) -> str:
    """One Markdown table a habit, methods by sets."""
    found, names = summary(table), list(dict.fromkeys(table["set"]))
    parts = [
        "# What habits do to a number\n\nMade by `python -m benchmarks.habits`: points of mAP@1000 "
        f"(mean of i2t and t2i, {BITS} bits), mean ± standard deviation over five seeds. "
        "[docs/habits.md](../../docs/habits.md) says what was run.\n"
    ]
    for habit, meaning in HABITS.items():
        rows = found[found["habit"] == habit].set_index(["method", "set"])
        lines = [
            f"## {meaning}\n",
            f"| method | {' | '.join(names)} |",
            "|---|" + "---:|" * len(names),
        ]
        for method in METHODS:
            if method in rows.index.get_level_values("method"):
                cells = [cell(rows, (method, name)) for name in names]
                lines.append(f"| {label(method)} | {' | '.join(cells)} |")
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def cell(rows: pd.DataFrame, key: tuple[str, str]) -> str:
    """``+1.2 ± 0.3``, or a dash where it was not measured."""
    if key not in rows.index:
        return "–"
    return f"{rows.loc[key, 'mean']:+.2f} ± {rows.loc[key, 'std']:.2f}".replace("-", "−")


def draw(table: pd.DataFrame, path: Path) -> None:
    """One strip a habit: a point for each method and set, a bar for its standard deviation."""
    import matplotlib.pyplot as plt

    found, names = summary(table), list(dict.fromkeys(table["set"]))
    methods = [m for m in METHODS if m in set(found["method"])]
    look = line_styles([label(m) for m in methods])
    with quiet_axes():
        figure, axes = plt.subplots(
            len(names), 1, figsize=(8.2, 1.9 * len(names) + 1.2), sharex=True, sharey=True
        )
        for axis, name in zip(np.atleast_1d(axes), names, strict=True):
            axis.axhline(0, color="#6b6b6b", linewidth=0.8)
            for number, method in enumerate(methods):
                of = found[(found["method"] == method) & (found["set"] == name)].set_index("habit")
                there = [h for h in HABITS if h in of.index]
                places = [
                    list(HABITS).index(h) + 0.075 * (number - len(methods) / 2) for h in there
                ]
                drawn = look[label(method)]
                axis.errorbar(
                    places, of.loc[there, "mean"], of.loc[there, "std"], linestyle="none",
                    marker=drawn.marker, color=drawn.color, markersize=4, linewidth=0.8,
                    fillstyle="none" if method in WITHOUT_NETWORKS else "full",
                    label=label(method),
                )  # fmt: skip
            axis.set_title(name, loc="left")
            axis.set_yscale("symlog", linthresh=1.0)
            axis.set_yticks(
                [-10, -3, -1, 0, 1, 3, 10, 30], map(str, [-10, -3, -1, 0, 1, 3, 10, 30])
            )
            axis.set_ylabel("points of mAP")
        axis.set_xticks(range(len(HABITS)), [h.replace("_", "\n") for h in HABITS])
        figure.legend(*axis.get_legend_handles_labels(), loc="lower center", ncols=5)
        figure.tight_layout(rect=(0, 0.07, 1, 1))
        with atomic_write(path) as part:
            figure.savefig(part, format="png", dpi=110, metadata={"Software": None})
        plt.close(figure)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), help="measure these again")
    parser.add_argument("--sets", nargs="+", choices=list(sets()), help="on these alone")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    args = parser.parse_args()
    measure(args.methods, args.sets or list(sets()), args.seeds)
    table = pd.read_csv(RESULTS)
    write_text(RESULTS.with_suffix(".md"), report(table))
    draw(table, PICTURE)


if __name__ == "__main__":
    main()
