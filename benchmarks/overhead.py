"""What Snakemake and starting programs cost in the demo's main comparison, on cached features.

    python -m benchmarks.overhead [--folder FOLDER]

The same stages are run twice on two cores, from cached features to the table: by Snakemake, a
process each; and bare, by two processes that live on, have all libraries loaded and all kernels
compiled, and take one setting after the other. What the first needs more is the overhead. Each is
run once: they take minutes, not noise of seconds.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from benchmarks.measure import Figure, Time, now, show
from pipeline.runs import plan

ROOT = Path(__file__).resolve().parents[1]
OVERLAY = ROOT / "overlays" / "demo.yaml"
TABLE = "results/demo/table3.csv"
CORES = 2


def demo() -> dict:
    """The demo's config, as Snakemake merges it."""

    def merged(below: dict, above: dict) -> dict:
        both = {k: merged(below[k], v) for k, v in above.items()
                if isinstance(v, dict) and isinstance(below.get(k), dict)}  # fmt: skip
        return below | above | both

    read = [yaml.safe_load(path.read_text()) for path in (ROOT / "config.yaml", OVERLAY)]
    return merged(*read)


def snakemake(folder: Path, target: str) -> Time:
    """What Snakemake takes until ``target`` is there."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", ROOT / "Snakefile", "--cores"]
    command += [str(CORES), "--directory", folder, "--quiet", "all"]
    command += ["--configfile", ROOT / "config.yaml", OVERLAY, "--", target]
    start = now()
    subprocess.run(command, check=True, cwd=ROOT, stderr=subprocess.DEVNULL)
    end = now()
    return Time(end.clock - start.clock, end.processor - start.processor)


def settle() -> None:
    """Load everything a setting may need, on one thread, as its job has it."""
    import torch

    from benchmarks.evaluation import draw, full
    from pipeline import methods
    from pipeline.results import tables  # noqa: F401

    torch.set_num_threads(1)
    for name in methods.available():
        methods.create(name, bits=16, seed=0)
    full(draw(3, 3), 1)


def setting(commands: list[list[str]]) -> float:
    """The stages of one setting, in this process; its processor time."""
    from pipeline.cli.stages import main

    start = time.process_time()
    for command in commands:
        if main(command):
            raise RuntimeError(f"failed: {command}")
    return time.process_time() - start


def stages(config: dict, one: plan.Setting) -> list[list[str]]:
    """The command lines of the train and evaluate stages, as the rules give them."""
    place = f"{config['artefacts']}/{one.dataset}"
    split = f"{place}/{one.features}/{one.split}"
    name, params = plan.method_params(config, one.method)
    codes = plan.codes_file(config, one)
    shared = ["--splits", f"{split}/split.h5"]
    train = ["train", name, "--bits", str(one.bits), "--params", json.dumps(params)]
    train += ["--device", config["device"], *shared, "--out", codes]
    train += ["--image", f"{split}/image-pca.h5", "--text", f"{place}/text/tags.h5"]
    evaluate = ["evaluate", "--codes", codes, "--pairs", f"{place}/pairs.h5", *shared]
    evaluate += ["--map-at", *map(str, config["evaluation"]["map_at"])]
    evaluate += ["--threads", "1"]
    return [train, [*evaluate, "--out", plan.metrics_file(config, one, "test")]]


def bare(folder: Path) -> Time:
    """What is taken by the same stages without Snakemake, from loaded processes."""
    os.chdir(folder)
    config = demo()
    work = [stages(config, one) for one in plan.settings(config, "table3")]
    os.environ["OMP_NUM_THREADS"] = "1"  # as Snakemake tells a job that has one
    with multiprocessing.get_context("spawn").Pool(CORES, settle) as pool:
        pool.map(str, range(CORES * 8), chunksize=1)  # all have settled
        settle()
        start = time.perf_counter()
        processor = sum(pool.map(setting, work, chunksize=1))
        spec = folder / "spec.json"
        spec.write_text(json.dumps(plan.spec(config, "table3")))
        processor += setting([["table", "--spec", str(spec), "--out", TABLE]])
        return Time(time.perf_counter() - start, processor)


def measure(folder: Path) -> Figure:
    """Both, on features taken beforehand."""
    cached = folder / "data" / "artefacts" / "scenes" / "lite" / "demo"
    snakemake(folder, str((cached / "image-pca.h5").relative_to(folder)))
    whole = snakemake(folder, TABLE)
    table = (folder / TABLE).read_bytes()
    for trained in [path for path in cached.iterdir() if path.is_dir()]:
        shutil.rmtree(trained)
    without = bare(folder)
    if (folder / TABLE).read_bytes() != table:
        raise RuntimeError("the two ways gave different tables")
    return Figure(
        "demo, Table III on cached features: overhead of Snakemake and start-up",
        1 - without.clock / whole.clock,
        f"{whole}; without them {without}; {CORES} cores",
        most=0.25,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, help="keep the demo's files here")
    folder = parser.parse_args().folder
    with tempfile.TemporaryDirectory() as temporary:
        show([measure((folder or Path(temporary)).resolve())])


if __name__ == "__main__":
    main()
