"""The plan of the paper's run: jobs, optimiser steps, and time and disk that they would take.

    python -m benchmarks.paper_run [--rows 512]

Prints Markdown. Trainings by gradient descent are timed on one core (CPU time) over few passes of
``--rows`` pairs with the paper's dimensions, and extrapolated linearly to the config's passes and
pairs; shallow ones are timed at two sizes. Nothing here was measured on a GPU: its hours are
optimiser steps times ``STEP``, an assumption.
"""

import argparse
import inspect
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from pipeline.methods import create
from pipeline.names import label, parse_name
from pipeline.runs import plan

STEP = 0.01  # s of a GPU per optimiser step: networks this small wait for kernels to start
PAIRS = {"mirflickr25k": 20_015, "nuswide": 186_577, "coco2017": 122_218}
TEXT = {"tags": {"mirflickr25k": 1386, "nuswide": 1000}, "tags-1000": 1000, "bert": 768}
IMAGE = {"alexnet": 4096, "vgg19": 4096, "sift-bow": 500}
FEW = ("epochs", "rounds", "teacher_epochs", "teacher_rounds", "min_steps")


def passes(method: str, params: Mapping[str, Any], rows: int) -> float | None:
    """How often a fit goes over its training pairs; None for what no gradient trains."""
    get = params.get
    if method == "cmimh":
        return max(get("epochs"), get("min_steps") / -(-rows // get("batch_size")))
    if method == "mgah":
        return get("epochs") + 3 * get("rounds")
    if method == "ukd_ss":
        return get("epochs") + get("teacher_epochs") + 3 * get("teacher_rounds")
    if method == "udcmh":
        return get("epochs") * get("rounds")
    if method == "ldr":
        return 2 * get("epochs")
    return get("epochs") if method == "djsrh" else None


def parameters(method: str, bits: int, params: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of a method, its own defaults included."""
    hasher = create(method, bits=bits, seed=0, **params)
    return {name: getattr(hasher, name) for name in inspect.signature(type(hasher)).parameters}


def cpu_seconds(method: str, bits: int, rows: int, params: Mapping[str, Any]) -> float:
    """CPU time of one fit on drawn features of 1,024 and 1,386 dimensions."""
    rng = np.random.default_rng(0)
    latent = rng.standard_normal((rows, 40))
    image = np.maximum(latent @ rng.standard_normal((40, 1024)), 0).astype(np.float32)
    text = (latent @ rng.standard_normal((40, 1386)) > 9).astype(np.float32)
    hasher = create(method, bits=bits, seed=0, **params)
    start = time.process_time()
    hasher.fit(image, text)
    return time.process_time() - start


def cost(method: str, usual: Mapping[str, Any], rows: int) -> tuple[float, float]:
    """CPU seconds of a fit that does not grow, and those per pair (and pass, if it has any)."""
    own = {k: v for k, v in usual.items() if k not in ("bits", "seed")}
    own |= {"device": "cpu"} if "device" in own else {}
    short = own | {k: 1 for k in FEW if k in own}
    cpu_seconds(method, 32, rows, short)  # whatever is loaded or compiled once
    if passes(method, usual, rows) is None:
        small, large = (cpu_seconds(method, 32, n, own) for n in (rows, 3 * rows))
        per_pair = max(large - small, 0) / (2 * rows)
        return max(small - per_pair * rows, 0.0), per_pair
    longer = short | {k: 4 for k in FEW if k in own and k != "min_steps"}
    few, more = (cpu_seconds(method, 32, rows, params) for params in (short, longer))
    counts = [passes(method, params, rows) for params in (short, longer)]
    per_pair = max(more - few, 0) / (counts[1] - counts[0]) / rows
    return max(few - per_pair * rows * counts[0], 0.0), per_pair


def costs(config: Mapping[str, Any], rows: int) -> dict[str, tuple[float, float]]:
    """The cost of every method that the config asks for, each method in a process of its own."""
    names = sorted({parse_name(s.method)[0] for s in plan.all_settings(config)})
    usual = [parameters(name, 32, config["methods"].get(name) or {}) for name in names]
    with ProcessPoolExecutor(initializer=torch.set_num_threads, initargs=(1,)) as pool:
        return dict(zip(names, pool.map(cost, names, usual, [rows] * len(names)), strict=True))


def training_pairs(config: Mapping[str, Any], setting: plan.Setting) -> int:
    """The pairs that one setting trains on."""
    split, pairs = plan.split_params(config, setting.split), PAIRS[setting.dataset]
    if isinstance(split["train"], int):
        return split["train"]
    query = split["query"] * pairs if split["query"] < 1 else split["query"]
    return int(pairs - query - split.get("validation", 0))


def trainings(config: Mapping[str, Any], rows: int) -> list[str]:
    """The table of trainings: settings, steps, and hours, by method."""
    measured, table = costs(config, rows), defaultdict(lambda: np.zeros(4))
    seeds = len(config["seeds"])
    for setting in plan.all_settings(config):
        name, params = plan.method_params(config, setting.method)
        usual = parameters(name, setting.bits, params)
        n = training_pairs(config, setting)
        times = passes(name, usual, n)
        steps = 0 if times is None else times * -(-n // usual["batch_size"])
        fixed, per_row = measured[name]
        seconds = fixed + per_row * n * (1 if times is None else times)
        table[name] += seeds * np.array([1 / seeds, steps, seconds / 3600, steps * STEP / 3600])
    lines = ["| method | settings | optimiser steps | core hours | GPU hours |",
             "|---|---:|---:|---:|---:|"]  # fmt: skip
    rows_of = [*((label(name), r) for name, r in table.items()), ("all", sum(table.values()))]
    return lines + [
        f"| {name} | {r[0]:.0f} | {r[1]:,.0f} | {r[2]:.1f} | {r[3]:.1f} |" for name, r in rows_of
    ]


def disk(config: Mapping[str, Any]) -> Counter:
    """Bytes below the artefacts folder, from shapes: no file is compressed."""
    found, seeds, settings = Counter(), len(config["seeds"]), plan.all_settings(config)
    for dataset, name in {(s.dataset, s.features) for s in settings}:
        entry, n = config["features"][name], PAIRS[dataset]
        found[f"{dataset}/image/{entry['image']}"] = n * IMAGE[entry["image"]] * 4
        width = TEXT[entry["text"]]
        width = width if isinstance(width, int) else width[dataset]
        found[f"{dataset}/text/{entry['text']}"] = n * width * 4
    by_stage = Counter({"features": sum(found.values())})
    for dataset, name, _ in {(s.dataset, s.features, s.split) for s in settings}:
        components = config["features"][name].get("image_pca", 0)
        by_stage["PCA, every seed its own"] += seeds * PAIRS[dataset] * components * 4
    for s in settings:
        real = parse_name(s.method)[0] == "ldr"
        by_stage["codes"] += (
            2 * seeds * PAIRS[s.dataset] * (s.bits * 4 if real else -(-s.bits // 8))
        )
    return by_stage


def main() -> None:
    """Print the plan."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=512, help="pairs of the timed fits")
    rows = parser.parse_args().rows
    config = yaml.safe_load(Path("config.yaml").read_text())
    print(*trainings(config, rows), sep="\n")
    print("\n| below data/artefacts | GB |\n|---|---:|")
    for stage, size in disk(config).items():
        print(f"| {stage} | {size / 1e9:.1f} |")


if __name__ == "__main__":
    main()
