"""Simulated comparisons of two methods that are equally good: how often does a test say otherwise?

    python tests/unit/simulated.py --repetitions 10000    # the table of docs/statistics.md

The difference of two methods' AP on query q with seed s is a_s + b_q + e_sq. The a_s are normal
with sqrt(2) times the deviation over seeds that either method has on its own; b_q and e_sq have
the deviations that ACQ and FSH show on two sets, and heavier tails than normal ones.
"""

import argparse
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from pipeline.results.significance import LEVEL, quantile, shared_variance

QUERY, REST = 0.09, 0.12  # deviations of b and e
DEVIATIONS = (0.0, 0.005, 0.01, 0.02)  # of either method over seeds
#: how queries are drawn: the same for every seed, a tenth of a pool for each, or new ones for each
DESIGNS = ("same", "tenth", "new")


@dataclass
class Rates:
    """Share of repetitions in which a test speaks at .05, by deviation over seeds.

    ours       the project's test; power: with a true difference
    over_queries  a paired t-test on queries, averaged over seeds
    over_seeds    a paired t-test on the means of seeds
    """

    ours: np.ndarray
    power: np.ndarray
    over_queries: np.ndarray
    over_seeds: np.ndarray


def laplace(rng, deviation, shape):
    return rng.laplace(0, deviation / np.sqrt(2), shape)


def drawn(rng, design, seeds, queries):
    """(differences without the seeds' part, their queries), both (seeds, queries)."""
    if design == "new":
        rows = np.arange(seeds * queries).reshape(seeds, queries)
    elif design == "same":
        rows = np.tile(np.arange(queries), (seeds, 1))
    else:
        pick = [rng.choice(10 * queries, queries, False, shuffle=False) for _ in range(seeds)]
        rows = np.array(pick)
    of_query = laplace(rng, QUERY, rows.max() + 1)
    return of_query[rows] + laplace(rng, REST, rows.shape), rows


def rates(design, queries, seeds, repetitions, difference=0.03):
    """The rates of one design; the same draws serve every deviation over seeds."""
    rng = np.random.default_rng([DESIGNS.index(design), queries, seeds])
    base, spread = np.empty((repetitions, seeds)), np.empty(repetitions)
    shared = np.empty((repetitions, 2))
    for i in range(repetitions):
        values, rows = drawn(rng, design, seeds, queries)
        base[i], spread[i] = values.mean(axis=1), values.mean(axis=0).std(ddof=1)
        shared[i] = shared_variance(values, rows)
    part = np.sqrt(2) * rng.standard_normal((repetitions, seeds))
    found = []
    for deviation in DEVIATIONS:
        means = base + deviation * part
        mean, between = means.mean(axis=1), means.var(axis=1, ddof=1) / seeds
        parts = np.stack([between, shared[:, 0]], axis=1)
        freedom = np.stack([np.full(repetitions, seeds - 1), np.maximum(shared[:, 1] - 1, 1)], 1)
        reach = quantile(parts, freedom, LEVEL) * np.sqrt(parts.sum(axis=1))
        over_queries = student.isf(LEVEL / 2, queries - 1) * spread / np.sqrt(queries)
        over_seeds = student.isf(LEVEL / 2, seeds - 1) * np.sqrt(between)
        bounds = (reach, reach, over_queries, over_seeds)
        values = (mean, mean + difference, mean, mean)
        found.append([np.mean(abs(v) > b) for v, b in zip(values, bounds, strict=True)])
    return Rates(*np.transpose(found))


def table(seeds, repetitions):
    """Markdown: false positives of our test / over queries / over seeds, and our power, in %."""
    head = ["queries", "of each seed", "seeds", *(f"{d:g}" for d in DEVIATIONS)]
    head += [f"power, {d:g}" for d in DEVIATIONS]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for design in DESIGNS:
        for queries in (300, 2000):
            for n in seeds:
                found = rates(design, queries, n, repetitions)
                false = zip(found.ours, found.over_queries, found.over_seeds, strict=True)
                cells = [f"{queries:,}", design, str(n)]
                cells += [" / ".join(f"{100 * value:.1f}" for value in three) for three in false]
                cells += [f"{100 * value:.0f}" for value in found.power]
                lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=4000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[3, 5, 10])
    args = parser.parse_args()
    print(table(args.seeds, args.repetitions))


if __name__ == "__main__":
    main()
