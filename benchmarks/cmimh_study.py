"""The selection study of CMIMH's defaults: one thing varied at a time, on validation queries.

Run: python benchmarks/cmimh_study.py OUT.csv --sets synth wiki mirtags --bits 16 --group weights

Adds rows (set, bits, variant, task, seeds, mean and standard deviation of mAP@1000) to OUT.csv,
and prints one line per variant. ``--test`` is for the final table only: default, test queries.
"""

import argparse
import csv
from pathlib import Path

import numpy as np
import torch
from study_sets import StudySet, load

from pipeline.errors import CollapseError
from pipeline.evaluation import evaluate
from pipeline.methods.cmimh import CMIMH

DEFAULT: dict[str, object] = {}
GROUPS: dict[str, list[dict[str, object]]] = {
    "default": [DEFAULT],
    "weights": [
        DEFAULT,
        *({"w_intra": w} for w in (20.0, 60.0, 120.0)),
        *({"w_inter": w} for w in (5.0, 10.0, 40.0)),
        *({"w_tc": w} for w in (0.2, 1.0)),
        *({"w_balance": w} for w in (0.1, 1.0)),
    ],
    "gap": [{"w_gap": w} for w in (0.16, 1.6, 4.0, 16.0, 64.0, 160.0)],  # Figure 3
    "ablation": [  # the rows of Table IV
        {"w_inter": 0.0, "w_tc": 0.0, "w_balance": 0.0},
        {"w_intra": 0.0, "w_tc": 0.0, "w_balance": 0.0},
        {"w_inter": 0.0},
        {"w_intra": 0.0},
        {"w_tc": 0.0, "w_balance": 0.0},
        {"w_balance": 0.0},
        {"w_tc": 0.0},
        DEFAULT,
    ],
    "recipe": [
        DEFAULT,
        {"warm_up": 0.0},
        {"anneal": False},
        *({"scaling": power} for power in (0.0, 0.5, 1.0)),
        *({"w_intra": w, "weight_decay": d} for w in (20.0, 100.0) for d in (5e-4, 0.01, 0.1)),
        {"batch_neighbors": 0},
        {"critic_decay": 0.03},
        *({"hide": share} for share in (0.0, 0.2, 0.3)),
        *({"spread": s} for s in (0.3, 1.0)),
        *({"lr": rate} for rate in (0.003, 0.03)),
        *({"batch_size": size} for size in (64, 256)),
        *({"epochs": epochs} for epochs in (20, 80)),
        {"optimiser": "adam", "lr": 1e-3, "weight_decay": 0.0},
        {"encoder": "linear"},
        *({"critic": samples} for samples in (1, 5)),
    ],
}
TASKS = {"i2t": (0, 1), "t2i": (1, 0), "i2i": (0, 0), "t2t": (1, 1)}


def main() -> None:
    """Parse the command line, run, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared")
    parser.add_argument("--sets", nargs="+", required=True, help="names, or .npz files")
    parser.add_argument("--bits", nargs="+", type=int, default=[16])
    parser.add_argument("--group", choices=GROUPS, default="default")
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=1024, help="smaller for a quick look")
    parser.add_argument("--test", action="store_true")
    args = parser.parse_args()
    common = {"hidden": args.hidden, "judge": min(512, args.hidden), "may_collapse": True}
    for name in args.sets:
        data = load(name, args.shared)
        for bits in args.bits:
            for batch in _stackable(GROUPS[args.group]):
                found = run(data if args.test else data.validation(), bits, batch, args, common)
                for variant, maps in zip(batch, found, strict=True):
                    record(args.out, Path(name).stem, bits, variant, maps)


def run(
    data: StudySet,
    bits: int,
    variants: list[dict[str, object]],
    args: argparse.Namespace,
    common: dict[str, object],
) -> np.ndarray:
    """mAP@1000 (variants, seeds, tasks); NaN where the training diverged."""
    models = [
        CMIMH(bits, seed, **{**common, **variant})
        for variant in variants
        for seed in range(args.seeds)
    ]
    image, text = (view[data.train] for view in data.database[:2])
    try:
        CMIMH.fit_many(models, [image] * len(models), [text] * len(models))
    except CollapseError as error:
        if len(models) > 1:  # find out who it was
            single = argparse.Namespace(**{**vars(args), "seeds": 1})
            return np.concatenate([run(data, bits, [v], single, common) for v in variants])
        print(error)
        return np.full((1, 1, len(TASKS)), np.nan)
    found = np.array([list(score(model, data).values()) for model in models])
    return found.reshape(len(variants), args.seeds, len(TASKS))


def score(model: CMIMH, data: StudySet) -> dict[str, float]:
    """Expected mAP@1000 of the four tasks."""
    asked, kept = (
        (model.encode_image(image), model.encode_text(text))
        for image, text, _ in (data.test, data.database)
    )
    labels = [part[2].astype(np.uint8) for part in (data.test, data.database)]
    return {
        task: evaluate(asked[q], kept[d], *labels, k=1000).map for task, (q, d) in TASKS.items()
    }


def record(out: Path, name: str, bits: int, variant: dict[str, object], maps: np.ndarray) -> None:
    """Add one variant's rows to the table and print its means."""
    label = " ".join(
        f"{k}={v:g}" if isinstance(v, float) else f"{k}={v}" for k, v in variant.items()
    )
    fresh = not out.exists()
    with out.open("a", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(["set", "bits", "variant", "task", "seeds", "mean", "std"])
        for column, task in enumerate(TASKS):
            values = maps[:, column]
            told = f"{values.mean():.4f}", f"{values.std():.4f}"
            writer.writerow([name, bits, label or "default", task, len(values), *told])
    print(f"{name:10s} {bits:3d} {label or 'default':40s}", maps.mean(axis=0).round(3), flush=True)


def _stackable(variants: list[dict[str, object]]) -> list[list[dict[str, object]]]:
    """Variants that differ in weights only train as one stack, the others alone."""
    weights = [v for v in variants if all(key.startswith("w_") for key in v)]
    others = [[v] for v in variants if v not in weights]
    return [batch for batch in (weights, *others) if batch]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
