"""The command line: one subcommand per stage, each a thin call of one pure function.

Heavy libraries are imported inside the subcommand that needs them, so that a stage which only
copies numbers does not pay for torch.
"""

import argparse
import inspect
import json
import logging
import os
import platform
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import CollapseError, InputError, sentence
from pipeline.storage.files import read_json, write_text
from pipeline.storage.store import libraries

log = logging.getLogger(__name__)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one subcommand; 0 when it is done, 2 and one sentence when the input is at fault."""
    arguments = parser().parse_args(argv)
    started = time.monotonic()
    try:
        _start_logging(arguments.log)
        arguments.run(arguments)
    except (InputError, CollapseError) as error:
        log.error("error: %s", error)
        return 2
    except (OSError, MemoryError) as error:
        log.error("error: %s", sentence(error))
        return 2
    took, busy = time.monotonic() - started, sum(os.times()[:4])
    told = (arguments.stage, took, _peak_memory(), busy)
    log.info("%s: done in %.1f s, at most %d MB, %.1f s of a core", *told)
    return 0


def _with(options: dict[str, Any], function: Callable, *args: Any, **given: Any) -> None:
    """Call a stage's function with the options of a config's entry, which may not replace what the
    stage itself decides."""
    own = {*given, *list(inspect.signature(function).parameters)[: len(args)]}
    if taken := sorted(own & set(options)):
        raise InputError(
            f"the entry holds {', '.join(taken)}, which is no option of its own: it is decided for "
            "the whole run, by a key of that name at the config's top level or by the workflow"
        )
    function(*args, **given, **options)


# --- stages -------------------------------------------------------------------------------------


def _download(a: argparse.Namespace) -> None:
    from pipeline import datasets
    from pipeline.storage.download import fetch

    named = (*datasets.files(a.kind), *datasets.optional_files(a.kind))
    wanted = [r for r in named if r.name == a.file] if a.file else datasets.files(a.kind)
    if not wanted:
        raise InputError(f"{a.kind} downloads nothing named {a.file!r}")
    for remote in wanted:
        fetch(remote, a.folder)


def _draw(a: argparse.Namespace) -> None:
    from pipeline.datasets import draw

    _with(a.options, draw, a.kind, a.folder, workers=a.workers)


def _pairs(a: argparse.Namespace) -> None:
    from pipeline.datasets import convert

    _with(a.options, convert, a.kind, a.raw, a.out)


def _encode(a: argparse.Namespace) -> None:
    from pipeline.features.encode import encode

    _with(a.options, encode, a.pairs, a.view, a.out, device=a.device, about=a.about)


def _split(a: argparse.Namespace) -> None:
    from pipeline.splits import write_splits

    files = (a.pairs, a.image, a.text, a.out, a.table)
    _with(a.options, write_splits, *files, seeds=a.seeds, dataset=a.dataset)


def _pca(a: argparse.Namespace) -> None:
    from pipeline.features.reduce import write_pca

    where = {"components": a.components, "device": a.device, "axes": a.axes}
    write_pca(a.features, a.splits, a.out, **where)


def _train(a: argparse.Namespace) -> None:
    from pipeline.training import write_codes

    write_codes(
        a.method,
        bits=a.bits,
        params=a.params,
        device=a.device,
        image=a.image,
        text=a.text,
        splits=a.splits,
        path=a.out,
        records=a.records,
        models=a.models,
        encoders={"image": a.image_encoder, "text": a.text_encoder},
        axes={"image": a.image_axes, "text": a.text_axes},
    )


def _evaluate(a: argparse.Namespace) -> None:
    from pipeline.evaluation.tasks import evaluate_files

    files = (a.codes, a.splits, a.pairs, a.out)
    evaluate_files(*files, phase=a.phase, map_at=a.map_at, threads=a.threads, models=a.models)


def _table(a: argparse.Namespace) -> None:
    from pipeline.results.tables import write_table

    write_table(read_json(a.spec), a.out)


def _rankings(a: argparse.Namespace) -> None:
    from pipeline.results.leaderboard import write_rankings

    write_rankings(read_json(a.spec), a.out)


def _figure(a: argparse.Namespace) -> None:
    from pipeline.results.curves import write_figure

    write_figure(read_json(a.spec), a.out)


def _report(a: argparse.Namespace) -> None:
    from pipeline.results.front_page import write_front_page

    galleries, config, choices = map(read_json, (a.galleries, a.config, a.choices))
    write_front_page(a.results, galleries, a.commented, config, choices, a.out)


def _export(a: argparse.Namespace) -> None:
    from pipeline.storage.export import export

    count = export(a.codes, a.out, view=a.view, seed=a.seed, index=a.index)
    log.info("%s: %d codes of the %s view, seed %d", a.out, count, a.view, a.seed)


def _verify(a: argparse.Namespace) -> None:
    from pipeline.runs.verify import verify

    checked, faults = verify(a.artefacts, a.results)
    for fault in faults:
        log.error("%s", fault)
    if faults:
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        raise InputError(f"{count}, named above; {checked} digests were recomputed")
    log.info("%d recorded digests hold", checked)


# --- arguments ----------------------------------------------------------------------------------

_FILES = {
    "--pairs": "what `pairs` wrote",
    "--image": "what `encode image`, or `pca` of it, wrote",
    "--text": "what `encode text`, or `pca` of it, wrote",
    "--features": "what `encode` wrote",
    "--splits": "what `split` wrote",
    "--codes": "what `train` wrote",
    "--out": "the file to write",
}


def parser() -> argparse.ArgumentParser:
    """All stages with their arguments."""
    parser = argparse.ArgumentParser(prog="python -m pipeline", description=__doc__.split("\n")[0])
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")

    def stage(name: str, run: Callable[[argparse.Namespace], None], about: str) -> Any:
        sub = stages.add_parser(name, help=about, description=about)
        sub.set_defaults(run=run)
        sub.add_argument("--log", type=Path, help="also write what is said to this file")
        return sub.add_argument

    add = stage("download", _download, "fetch and verify the raw files of a data set")
    add("kind", help="the kind of data set")
    add("file", nargs="?", help="one file of it; all by default")
    add("--folder", type=Path, required=True, help="of the raw files")

    add = stage("draw", _draw, "draw the raw files of a data set")
    add("kind", metavar="DATASET", help="the kind of data set")
    add("--folder", type=Path, required=True, help="of the raw files")
    add("--options", type=json.loads, default={}, metavar="JSON", help="of the kind, as a mapping")
    add("--workers", type=int, default=1, help="processes (1)")

    add = stage("pairs", _pairs, "turn the raw files of a data set into pairs, and count them")
    add("kind", metavar="DATASET", help="the kind of data set")
    add("--raw", type=Path, required=True, help="the folder with the raw files")
    add("--options", type=json.loads, default={}, metavar="JSON", help="of the kind, as a mapping")
    add("--out", type=Path, required=True, help="the file to write")

    add = stage("encode", _encode, "take the features of one view")
    add("view", choices=("image", "text"), help="which half of the pairs")
    add("--pairs", type=Path, required=True, help="what `pairs` wrote")
    add("--options", type=json.loads, required=True, metavar="JSON", help="an entry of `encoders`")
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--out", type=Path, required=True, help="the file to write")
    add("--about", type=Path, help="a JSON file: what is needed to encode new things alike")

    add = stage("split", _split, "draw query, database, training and validation rows")
    add("--dataset", required=True, help="its name, for the log")
    for name in ("--pairs", "--image", "--text", "--out"):
        add(name, type=Path, required=True, help=_FILES[name])
    add("--table", type=Path, required=True, help="the same as a table of ids (.csv)")
    add("--options", type=json.loads, required=True, metavar="JSON", help="an entry of `splits`")
    add("--seeds", type=int, nargs="+", required=True, help="a split for each")

    add = stage("pca", _pca, "project features on components fitted on the database")
    for name in ("--features", "--splits", "--out"):
        add(name, type=Path, required=True, help=_FILES[name])
    add("--components", type=int, required=True, help="how many to keep")
    add("--device", default="auto", help="auto, cpu or cuda")
    add("--axes", type=Path, nargs="+", default=(), help="a file for the axes of each seed")

    add = stage("train", _train, "fit one method for all seeds and encode every pair")
    add("method", help="a file of pipeline/methods/")
    add("--bits", type=int, required=True, help="the code length")
    add("--params", type=json.loads, default={}, metavar="JSON", help="the method's own")
    add("--device", default="auto", help="auto, cpu or cuda")
    for name in ("--image", "--text", "--splits", "--out"):
        add(name, type=Path, required=True, help=_FILES[name])
    add("--records", type=Path, help="one JSON line per epoch")
    add("--models", type=Path, help="a folder for the trained models, one folder a seed")
    for view in ("image", "text"):
        add(f"--{view}-encoder", type=Path, help="what `encode --about` wrote")
        add(f"--{view}-axes", type=Path, nargs="+", default=(), help="what `pca --axes` wrote")

    add = stage("evaluate", _evaluate, "measure the codes of one setting on all tasks")
    for name in ("--codes", "--splits", "--pairs", "--out"):
        add(name, type=Path, required=True, help=_FILES[name])
    add("--phase", choices=("test", "validation"), default="test", help="which rows search")
    add("--map-at", nargs="+", type=_cutoff, required=True, help="cut-offs of mAP: numbers, or all")
    add("--threads", type=int, help="by default as many as there are cores")
    add("--models", type=Path, help="the folder of the models, to note there what they reach")

    for name, run, about in (
        ("table", _table, "write a table as CSV, Markdown and LaTeX"),
        ("rankings", _rankings, "write how methods rank under several protocols, as CSV and pages"),
        ("figure", _figure, "write a figure as PNG, SVG and the data behind it as CSV"),
    ):
        add = stage(name, run, about)
        add("--spec", type=Path, required=True, help="a JSON file: an experiment and its cells")
        add("--out", type=Path, required=True, help="the file to write")

    add = stage("report", _report, "write the front page: one HTML file with all results")
    add("--results", type=Path, nargs="+", required=True, help="the .json beside each result")
    add("--galleries", type=Path, required=True, help="a JSON file: the examples to show")
    add("--commented", type=Path, required=True, help="the config file, for what is assumed")
    add("--config", type=Path, required=True, help="a JSON file: what the run used")
    add("--choices", type=Path, required=True, help="a JSON file: the same as text, by name")
    add("--out", type=Path, required=True, help="the file to write")

    add = stage("export", _export, "write the codes of one view as a faiss index")
    for name in ("--codes", "--out"):
        add(name, type=Path, required=True, help=_FILES[name])
    add("--view", choices=("image", "text"), required=True, help="whose codes")
    add("--seed", type=int, required=True, help="which training")
    add("--index", default="BFlat", help="faiss' description of a binary index, such as BIVF4096")

    add = stage(
        "verify", _verify, "recompute the digests of all files and compare with the records"
    )
    add("--artefacts", type=Path, required=True, help="the folder of the HDF5 files")
    add("--results", type=Path, required=True, help="the folder of tables and figures")
    return parser


def _cutoff(text: str) -> int | str:
    return text if text == "all" else int(text)


def _start_logging(path: Path | None) -> None:
    """What is said goes to the terminal and, when asked, to a file as well."""
    logging.raiseExceptions = False  # a log that cannot be written must not bury what is said
    logging.basicConfig(level=logging.INFO, format="%(message)s", force=True)
    logging.captureWarnings(True)
    for library in ("matplotlib", "fontTools", "urllib3", "numba", "faiss"):
        logging.getLogger(library).setLevel(logging.WARNING)
    if path is not None:
        write_text(path, _circumstances() + "\n")
        logging.getLogger().addHandler(logging.FileHandler(path, mode="a", encoding="utf-8"))


def _circumstances() -> str:
    """On what a stage runs: versions, and the threads that it was given."""
    threads = os.environ.get("OMP_NUM_THREADS", "as many threads as cores")
    versions = ", ".join(f"{name} {number}" for name, number in libraries().items())
    return f"python {platform.python_version()}, {versions}; threads: {threads}"


def _peak_memory() -> int:
    """The most memory that this process, without its workers, has held so far, in MB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit // 1_000_000


if __name__ == "__main__":
    sys.exit(main())
