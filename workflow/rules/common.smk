# Names that all rules share. What they mean is decided in pipeline/runs/plan.py.
import json
import re
import shlex
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from pipeline import datasets
from pipeline.names import parse_name
from pipeline.runs import plan
from pipeline.runs.config_files import check_keys, completed, own_experiments
from pipeline.errors import InputError
from pipeline.runs.progress import watch
from pipeline.results import record
from pipeline.shipped import shipped
from pipeline.sources import PACKAGE, sources, uses
from pipeline.jobs import export_job_environment

# An environment of `--sdm conda` puts its own Python before ours.
export_job_environment()
ENVIRONMENT = str(shipped("envs/pipeline.yaml"))

# What was given on top of the project's own config: files, or what another workflow passes when it
# uses this one as a module. A module reads no config file, so it has to be completed here.
GIVEN = [f for f in workflow.configfiles if Path(f).resolve() != BASE]
if len(GIVEN) == len(workflow.configfiles):
    GIVEN = [config]
    config = completed(config, BASE)
elif workflow.is_main_process and workflow.output_settings:
    watch(logger, workflow.output_settings.quiet)

try:
    for file in workflow.configfiles:
        check_keys(file)
    plan.name_splits(config)
    plan.spread_protocols(config)
    plan.validate(config, shipped("workflow/schemas/config.schema.yaml"))
    plan.check(config)
except InputError as error:
    raise WorkflowError(str(error)) from None

RAW, ARTEFACTS, RESULTS = config["raw"], config["artefacts"], config["results"]
CELL = f"{ARTEFACTS}/{{dataset}}/{{features}}/{{split}}/{{method}}/{{bits}}"
# What `all` makes and a report shows: an overlay's run has none of the paper's other experiments.
NAMED = own_experiments(config, GIVEN)
OWN = [
    e
    for e in config["experiments"]
    if config["experiments"][e].get("part_of", e) in NAMED
]


wildcard_constraints:
    dataset="[^/]+",
    encoder="[^/]+",
    features="[^/]+",
    split="[^/]+",
    method="[^/]+",
    bits=r"\d+",
    phase="test|validation",
    view="image|text",


def raw_folder(dataset):
    """Where a data set's raw files are: its own `raw:`, else its place among the downloads."""
    return config["datasets"][dataset].get("raw", f"{RAW}/{dataset}")


def kind_of(dataset):
    return config["datasets"][dataset]["kind"]


def dataset_options(dataset):
    """The keys of a data set that are its kind's own business."""
    ours = ("kind", "raw", "draw", "features", "split")
    return {k: v for k, v in config["datasets"][dataset].items() if k not in ours}


def drawing(dataset):
    """How a data set is drawn, where it is and not downloaded; else None."""
    return config["datasets"][dataset].get("draw")


def gpu_for(module):
    """One GPU for stages that may compute on it, with torch, unless the config keeps to the CPU."""
    return int(config["device"] != "cpu" and uses(module, "torch"))


def downloadable():
    """The names of all files that some data set of the config downloads."""
    return sorted(
        {
            f.name
            for d in config["datasets"]
            for f in (*remotes(d), *optional_remotes(d))
        }
    )


def has_own_files(dataset):
    """Whether the raw files of a data set lie elsewhere or are drawn, and are not downloaded."""
    return bool({"raw", "draw"} & set(config["datasets"][dataset]))


def remotes(dataset):
    """What a data set downloads."""
    return () if has_own_files(dataset) else datasets.files(kind_of(dataset))


def optional_remotes(dataset, encoder=None):
    """What a data set downloads for encoders of one kind alone, or of any."""
    if has_own_files(dataset):
        return ()
    return datasets.optional_files(kind_of(dataset), encoder)


def raw_files(dataset):
    """The raw files that the stages of a data set read, as far as the workflow makes them."""
    if drawing(dataset) is not None:
        names = datasets.drawer(kind_of(dataset)).DRAWS
        return [f"{raw_folder(dataset)}/{name}" for name in names]
    options = dataset_options(dataset)
    own = [
        name
        for key in ("file", "table", "texts")
        if key in options
        for name in (options[key] if isinstance(options[key], list) else [options[key]])
    ]
    return [
        f"{raw_folder(dataset)}/{name}"
        for name in (*own, *(f.name for f in remotes(dataset)))
    ]


def raw_for(dataset, encoder):
    """The raw files that one encoder reads."""
    extra = optional_remotes(dataset, kind_of_encoder(encoder))
    return raw_files(dataset) + [f"{raw_folder(dataset)}/{f.name}" for f in extra]


def kind_of_encoder(encoder):
    return config["encoders"][encoder]["kind"]


def module_of_encoder(encoder):
    return f"pipeline.features.kinds.{kind_of_encoder(encoder)}"


def method_module(method):
    return f"pipeline.methods.{parse_name(method)[0]}"


def encoded(w, view):
    """The features of one view as its encoder gives them."""
    encoder = config["features"][w.features][view]
    return f"{ARTEFACTS}/{w.dataset}/{view}/{encoder}.h5"


def view_of(w, view):
    """The features of one view as the methods see them, after the PCA where there is one."""
    if f"{view}_pca" in config["features"][w.features]:
        return f"{ARTEFACTS}/{w.dataset}/{w.features}/{w.split}/{view}-pca.h5"
    return encoded(w, view)


def about_views(w):
    """What a model needs of its features: the encoders, and the axes of a PCA for each seed."""
    place, entry = f"{ARTEFACTS}/{w.dataset}", config["features"][w.features]
    found = {f"{v}_encoder": f"{place}/{v}/{entry[v]}.json" for v in ("image", "text")}
    for view in ("image", "text"):
        if f"{view}_pca" in entry:
            found[f"{view}_axes"] = pca_axes(f"{place}/{w.features}/{w.split}", view)
    return found


def model_files(*names):
    """Files of the models of a cell, one folder a seed; none when models are not kept."""
    seeds = config["seeds"] if config["keep_models"] else []
    return [f"{CELL}/models/{seed}/{name}" for seed in seeds for name in names]


def model_arguments(w, input):
    """How the train stage is told where models belong, and what they need of their features."""
    if not config["keep_models"]:
        return ""
    words = ["--models", f"{CELL.format(**w)}/models"]
    for name in about_views(w):
        files = input[name]
        words += [f"--{name.replace('_', '-')}"]
        words += [files] if isinstance(files, str) else files
    return shlex.join(words)


def pca_axes(folder, view):
    """The axes of a PCA, one file a seed."""
    return [f"{folder}/{view}-pca/{seed}.safetensors" for seed in config["seeds"]]


def kind_of_result(experiment):
    """table, rankings (of one experiment's tables), or the kind of a figure."""
    entry = config["experiments"][experiment]
    return "rankings" if "protocols" in entry else entry.get("kind", "table")


def is_table(experiment):
    return kind_of_result(experiment) == "table"


def is_rankings(experiment):
    return kind_of_result(experiment) == "rankings"


def is_figure(experiment):
    return not is_table(experiment) and not is_rankings(experiment)


def named(of_kind):
    """A wildcard's pattern: the experiments of one kind."""
    chosen = filter(of_kind, config["experiments"])
    return "|".join(map(re.escape, chosen)) or "$^"


def tables_of(experiment):
    """The tables of an experiment under its protocols."""
    return record.cell_files(plan.rankings_spec(config, experiment))


def method_files(experiment):
    """The sources of an experiment's methods, whose docstrings say what of them is whose."""
    names = {parse_name(s.method)[0] for s in plan.settings(config, experiment)}
    return [f"{PACKAGE}/methods/{n}.py" for n in sorted(names)]


def results_of(experiment, only=""):
    """The files of one result: views of a table, or pictures of a figure and their data."""
    endings = (*record.endings(kind_of_result(experiment)), "json")
    return [f"{RESULTS}/{only}{experiment}.{ending}" for ending in endings]


def every_result():
    return [path for e in OWN for path in results_of(e)]


def spec_of(w):
    """The experiment as the results stage wants it; `only` is empty or a data set and a slash."""
    return plan.spec(config, w.experiment, w.only.rstrip("/") or None)


def cell_files(w):
    return record.cell_files(spec_of(w))


def data_of(folder, pattern="*.*"):
    """The package's data files that a stage reads beside its source."""
    return sorted(map(str, PACKAGE.joinpath(folder).glob(pattern)))


def reported():
    """The experiments on the front page; of one under several protocols, their rankings alone."""
    chosen = config["report"]["experiments"]
    own = [e for e in OWN if "part_of" not in config["experiments"][e]]
    return own if chosen == "all" else chosen


def galleries():
    return plan.galleries(config, OWN)


def gallery_files(gallery):
    return [gallery["pairs"], gallery["splits"], *gallery["codes"].values()]
