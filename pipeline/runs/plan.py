"""From the config to the list of what has to be computed: experiments become settings and paths.

Pure functions on the config mapping; Snakemake's rules ask here for names, so that one module
knows how they are formed. A *setting* is one (data set, features, split, method, bits); all seeds
of a setting live in one file.
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.names import label, name_with, parse_name
from pipeline.storage.store import TASKS

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """One trained and evaluated combination, with the extra columns an experiment gives it."""

    dataset: str
    features: str
    split: str
    method: str
    bits: int
    columns: Mapping[str, Any] = field(default_factory=dict, compare=False)

    @property
    def folder(self) -> str:
        """Where the setting's artefacts are, below the artefacts folder."""
        return f"{self.dataset}/{self.features}/{self.split}/{self.method}/{self.bits}"


def method_params(config: Config, method: str) -> tuple[str, dict[str, Any]]:
    """The method's module name and its parameters: the config's, then the name's overrides."""
    name, overrides = parse_name(method)
    return name, {**(config["methods"].get(name) or {}), **overrides}


def split_params(config: Config, split: str) -> dict[str, Any]:
    """The split protocol's parameters, overrides applied."""
    name, overrides = parse_name(split)
    return {**_known(config, "splits", name), **overrides}


def split_files(config: Config, split: str) -> list[str]:
    """The files that a split is read from; none for one that is drawn."""
    file = split_params(config, split).get("file", [])
    return [file] if isinstance(file, str) else list(file.values() if file else ())


def name_splits(config: dict[str, Any]) -> None:
    """A split that a data set brings along, `split: {file: ...}`, becomes an entry of `splits`."""
    for name, entry in config.get("datasets", {}).items():
        if isinstance(entry, dict) and isinstance(own := entry.get("split"), dict):
            config.setdefault("splits", {})[f"{name}-own"] = own
            entry["split"] = f"{name}-own"


def spread_protocols(config: dict[str, Any]) -> None:
    """An experiment under several protocols gets a table for each beside it, as further entries."""
    every = config.get("experiments")
    if not isinstance(every, dict):
        return  # the schema says what is wrong with it
    for name, entry in list(every.items()):
        asked = entry.get("protocols") if isinstance(entry, dict) else None
        for protocol in asked if isinstance(asked, list) else ():
            every[table_under(name, protocol)] = _under(config, name, entry, protocol)


def table_under(experiment: str, protocol: str) -> str:
    """The name of the table that an experiment has under one of its protocols."""
    return f"{experiment}-{protocol}"


def settings(config: Config, experiment: str) -> list[Setting]:
    """The settings of one experiment, each once, in the order of the config."""
    entry = _known(config, "experiments", experiment)
    if "protocols" in entry:
        tables = (table_under(experiment, protocol) for protocol in entry["protocols"])
        return list(dict.fromkeys(s for table in tables for s in settings(config, table)))
    axes = itertools.product(
        entry["datasets"], entry.get("train", [None]), _methods(config, entry), entry["bits"]
    )
    found: dict[Setting, None] = {}
    for dataset, train, (method, columns, own_bits), bits in axes:
        extra = dict(columns)
        if train is not None:
            extra["training_size"] = train
        setting = Setting(
            dataset=dataset,
            features=_of_dataset(config, entry, "features", dataset),
            split=_split(config, entry, dataset, train),
            method=method,
            bits=own_bits or bits,
            columns=extra,
        )
        found.setdefault(setting)
    return list(found)


def all_settings(config: Config) -> list[Setting]:
    """The settings of all experiments, each once."""
    every = (s for name in config["experiments"] for s in settings(config, name))
    return list(dict.fromkeys(every))


def spec(config: Config, experiment: str, only: str | None = None) -> dict[str, Any]:
    """What the results stage needs to know of an experiment, JSON-able.

    ``only`` limits the computed cells to one data set; the others stay as empty cells that say so.
    """
    entry = _known(config, "experiments", experiment)
    cells = [_cell(config, entry, s, only) for s in settings(config, experiment)]
    keys = ("title", "paper", "rows", "columns", "x")
    return {
        "name": experiment,
        "kind": entry.get("kind", "table"),
        "metrics": entry["metrics"],
        "tasks": entry.get("tasks", list(TASKS)),
        "seeds": config["seeds"],
        "reference": _reference(config, entry),
        "cells": cells,
    } | {key: entry[key] for key in keys if key in entry}


def rankings_spec(config: Config, experiment: str) -> dict[str, Any]:
    """What the results stage needs to know of an experiment under several protocols, JSON-able.

    ``tables`` by protocol: the file of its table, its metric and its source.
    """
    entry = _known(config, "experiments", experiment)
    return {
        "name": experiment,
        "kind": "rankings",
        "title": entry["title"],
        "seeds": config["seeds"],
        "cells": [_cell(config, entry, s, None) for s in settings(config, experiment)],
        "tables": {
            protocol: {
                "file": f"{config['results']}/{table_under(experiment, protocol)}.csv",
                "metric": config["protocols"][protocol]["metrics"][0],
                "source": config["protocols"][protocol]["source"],
            }
            for protocol in entry["protocols"]
        },
    }


def galleries(config: Config, experiments: Iterable[str]) -> list[dict[str, Any]]:
    """Per data set of the gallery's experiment, the files of its pairs, splits and two codes.

    None where the experiment is not among ``experiments``, those of the run.
    ``text`` is the encoder of its texts, which says what the methods saw of them.
    """
    wish = config["report"]["gallery"]
    found: dict[str, dict[str, Any]] = {}
    if wish["experiment"] not in experiments:
        return []
    for setting in settings(config, wish["experiment"]):
        if setting.bits == wish["bits"] and setting.method in wish["methods"] and wish["queries"]:
            place = f"{config['artefacts']}/{setting.dataset}"
            entry = found.setdefault(
                setting.dataset,
                {
                    "title": f"{setting.dataset}, {setting.bits} bits",
                    "queries": wish["queries"],
                    "text": config["encoders"][config["features"][setting.features]["text"]],
                    "pairs": f"{place}/pairs.h5",
                    "splits": f"{place}/{setting.features}/{setting.split}/split.h5",
                    "codes": {},
                },
            )
            entry["codes"][label(setting.method)] = codes_file(config, setting)
    names = [label(method) for method in wish["methods"]]
    complete = [entry for entry in found.values() if set(entry["codes"]) == set(names)]
    return [entry | {"codes": {n: entry["codes"][n] for n in names}} for entry in complete]


def choices(config: Config, experiments: Iterable[str]) -> dict[str, dict[str, str]]:
    """What the config says of the splits, features and encoders of experiments, as text by name."""
    used = [setting for name in experiments for setting in settings(config, name)]
    features = {s.features: config["features"][s.features] for s in used}
    encoders = {f[view] for f in features.values() for view in ("image", "text")}
    found = {
        "Splits": {s.split: split_params(config, s.split) for s in used},
        "Features": features,
        "Encoders": {name: config["encoders"][name] for name in sorted(encoders)},
    }
    return {
        heading: {name: _listed(entry) for name, entry in entries.items()}
        for heading, entries in found.items()
    }


def _listed(entry: Mapping[str, Any]) -> str:
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in entry.items())


def metrics_file(config: Config, setting: Setting, phase: str) -> str:
    """The metrics of a setting on the test queries, or on the validation queries."""
    return f"{config['artefacts']}/{setting.folder}/{phase}.h5"


def codes_file(config: Config, setting: Setting) -> str:
    """The codes of a setting."""
    return f"{config['artefacts']}/{setting.folder}/codes.h5"


def validate(config: Config, schema: Path | str) -> None:
    """Raise InputError with the most telling fault of the config by the JSON schema, if any."""
    import jsonschema
    import yaml

    rules = yaml.safe_load(Path(schema).read_text(encoding="utf-8"))
    faults = jsonschema.Draft202012Validator(rules).iter_errors(config)
    if fault := jsonschema.exceptions.best_match(faults):
        where = ".".join(map(str, fault.absolute_path)) or "top level"
        raise InputError(f"config, {where}: {fault.message}")


def check(config: Config) -> None:
    """Names that the schema cannot check: every reference in the config leads somewhere."""
    from pipeline import datasets, methods
    from pipeline.features import kinds

    for name, entry in config["datasets"].items():
        _one_of(entry["kind"], datasets.available(), f"datasets.{name}.kind")
    for name, entry in config["encoders"].items():
        _one_of(entry["kind"], kinds.available(), f"encoders.{name}.kind")
    for name in config["methods"]:
        _one_of(name, methods.available(), "methods")
    for name, entry in config["features"].items():
        for view in ("image", "text"):
            _one_of(entry[view], config["encoders"], f"features.{name}.{view}")
    _one_of(config["report"]["gallery"]["experiment"], config["experiments"], "report.gallery")
    _one_of(config["reference"], methods.available(), "reference")
    for name in config["experiments"]:
        for setting in settings(config, name):
            where = f"experiments.{name}"
            _one_of(setting.dataset, config["datasets"], f"{where}.datasets")
            _one_of(setting.features, config["features"], f"{where}.features")
            _one_of(parse_name(setting.split)[0], config["splits"], f"{where}.split")
            _one_of(parse_name(setting.method)[0], methods.available(), f"{where}.methods")
            _in_one_space(config, setting, where)


def _in_one_space(config: Config, setting: Setting, where: str) -> None:
    """A method that is told that both views share a space is given no view that was rotated."""
    method, params = method_params(config, setting.method)
    rotated = [
        key for key in ("image_pca", "text_pca") if config["features"][setting.features].get(key)
    ]
    if params.get("shared") and rotated:
        raise InputError(
            f"{where}: {method} with shared: true needs both views in one space, but "
            f"features.{setting.features} has {' and '.join(rotated)}, and a PCA of one view's own "
            "leaves that space; take features without it"
        )


def _under(config: Config, name: str, entry: Mapping[str, Any], protocol: str) -> dict[str, Any]:
    """The entry of an experiment's table under a protocol: its metric, and its splits."""
    known = config.get("protocols") or {}
    _one_of(protocol, known, f"experiments.{name}.protocols")
    own, rules = entry.get("split", {}), known[protocol]
    kept = {key: value for key, value in entry.items() if key not in ("protocols", "split")}
    split = own if isinstance(own, str) else {**rules.get("split", {}), **own}
    return {
        **kept,
        "title": f"{entry.get('title', name)}: {rules['metrics'][0]}, protocol {protocol}",
        "metrics": rules["metrics"],
        "split": split,
        "part_of": name,
    }


def _methods(
    config: Config, entry: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], int | None]]:
    """(name with overrides, extra columns, own code length or None) of each method entry.

    An override that repeats the config's value is dropped: it names no new setting.
    """
    for item in entry["methods"]:
        item = {"method": item} if isinstance(item, str) else item
        for point in _points(entry.get("sweep", {})):
            params = {**item.get("params", {}), **point}
            columns = {**item.get("columns", {}), **point}
            usual = config["methods"].get(item["method"]) or {}
            overrides = {k: v for k, v in params.items() if k not in usual or usual[k] != v}
            yield name_with(item["method"], overrides), columns, item.get("bits")


def _reference(config: Config, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of what an experiment's table tests the others against.

    It is the config's ``reference`` by its own settings where the experiment has that, else the
    first entry; so it is chosen before anything is measured.
    """
    entries = [(name, columns) for name, columns, _ in _methods(config, entry)]
    name, columns = next((e for e in entries if e[0] == config["reference"]), entries[0])
    return {"method": label(name), **columns}


def _points(sweep: Mapping[str, Iterable[Any]]) -> Iterator[dict[str, Any]]:
    for values in itertools.product(*sweep.values()):
        yield dict(zip(sweep, values, strict=True))


def _split(config: Config, entry: Mapping[str, Any], dataset: str, train: int | None) -> str:
    split = _of_dataset(config, entry, "split", dataset)
    own = _known(config, "splits", split)
    return split if train in (None, own.get("train")) else name_with(split, {"train": train})


def _of_dataset(config: Config, entry: Mapping[str, Any], key: str, dataset: str) -> str:
    """The experiment's own choice for the data set, else the data set's usual one."""
    own = entry.get(key)
    if isinstance(own, Mapping):
        own = own.get(dataset)
    return own or _known(config, "datasets", dataset)[key]


def _cell(
    config: Config, entry: Mapping[str, Any], setting: Setting, only: str | None
) -> dict[str, Any]:
    cell = {
        "dataset": setting.dataset,
        "features": setting.features,
        "split": setting.split,
        "method": label(setting.method),
        "bits": setting.bits,
        **setting.columns,
    }
    if only not in (None, setting.dataset):
        return cell | {"missing": f"this table was asked for {only} alone"}
    phase = entry.get("phase", "test")
    return cell | {
        "metrics_file": metrics_file(config, setting, phase),
        "codes_file": codes_file(config, setting),
    }


def _known(config: Config, section: str, name: str) -> Mapping[str, Any]:
    _one_of(name, config[section], section)
    return config[section][name] or {}


def _one_of(name: str, known: Iterable[str], where: str) -> None:
    if name not in known:
        raise InputError(f"config, {where}: unknown name {name!r}; known are {', '.join(known)}")
