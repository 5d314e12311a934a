"""The plan: names in paths, settings of an experiment, and references that lead nowhere."""

import copy
import json
import subprocess
import sys

import pytest
import yaml

from pipeline import methods
from pipeline.errors import InputError
from pipeline.names import label, name_with, parse_name
from pipeline.runs import plan

CONFIG = {
    "artefacts": "a",
    "seeds": [0, 1],
    "datasets": {"d": {"kind": "scenes", "features": "f", "split": "s"}},
    "encoders": {"e": {"kind": "tags"}},
    "features": {"f": {"image": "e", "text": "e"}, "g": {"image": "e", "text": "e"}},
    "splits": {"s": {"query": 10, "train": 50}},
    "methods": {"cmimh": {"w_gap": 0.1}},
    "reference": "cmimh",
    "report": {
        "experiments": "all",
        "gallery": {"experiment": "x", "methods": ["cvh", "cmimh"], "bits": 8, "queries": 2},
    },
    "experiments": {
        "x": {"title": "", "datasets": ["d"], "methods": ["cvh"], "bits": [8, 16], "metrics": ["m"]}
    },
}


def with_experiment(**keys):
    config = copy.deepcopy(CONFIG)
    config["experiments"]["x"] |= keys
    return config


@pytest.mark.parametrize("overrides", [{}, {"w_gap": 0.1, "critic": 5}, {"a": "text", "b": None}])
def test_a_name_with_overrides_is_read_back(overrides):
    assert parse_name(name_with("cmimh", overrides)) == ("cmimh", overrides)


def test_a_malformed_override_is_refused_by_name():
    with pytest.raises(InputError, match=r"'w_gap' is not key=value"):
        parse_name("cmimh,w_gap")


def test_settings_cover_the_product_of_the_axes():
    config = with_experiment(methods=["cvh", "cmimh"], train=[20, 50])
    found = plan.settings(config, "x")
    assert len(found) == 2 * 2 * 2
    assert {s.split for s in found} == {"s", "s,train=20"}
    assert found[0].folder == "d/f/s,train=20/cvh/8"
    assert found[0].columns == {"training_size": 20}


def test_an_override_that_repeats_the_config_names_the_same_setting():
    config = with_experiment(methods=["cmimh"], sweep={"w_gap": [0.1, 1.0]}, bits=[8])
    names = [s.method for s in plan.settings(config, "x")]
    assert names == ["cmimh", "cmimh,w_gap=1.0"]
    assert [s.columns["w_gap"] for s in plan.settings(config, "x")] == [0.1, 1.0]


def test_parameters_are_the_config_s_with_the_name_s_on_top():
    assert plan.method_params(CONFIG, "cmimh,w_tc=0") == ("cmimh", {"w_gap": 0.1, "w_tc": 0})


def test_a_method_entry_may_fix_its_own_code_length():
    config = with_experiment(methods=[{"method": "ldr", "bits": 1024}, "cvh"], bits=[128])
    assert [(s.method, s.bits) for s in plan.settings(config, "x")] == [("ldr", 1024), ("cvh", 128)]


def test_an_experiment_may_choose_features_by_data_set():
    assert plan.settings(with_experiment(features="g"), "x")[0].features == "g"
    assert plan.settings(with_experiment(features={"d": "g"}), "x")[0].features == "g"
    assert plan.settings(with_experiment(features={"other": "g"}), "x")[0].features == "f"


def test_a_table_for_one_data_set_keeps_the_other_cells_and_says_why_they_are_empty():
    config = with_experiment()
    config["datasets"]["other"] = config["datasets"]["d"]
    config["experiments"]["x"]["datasets"] = ["d", "other"]
    cells = plan.spec(config, "x", only="d")["cells"]
    assert [("missing" in c) for c in cells] == [False, False, True, True]
    assert cells[0]["metrics_file"] == "a/d/f/s/cvh/8/test.h5"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"methods": ["cvx"]}, "unknown name 'cvx'; known are .*cvh"),
        ({"datasets": ["mars"]}, "unknown name 'mars'; known are d"),
        ({"features": "h"}, "unknown name 'h'; known are f, g"),
        ({"split": "t"}, "unknown name 't'; known are s"),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_by_name(change, sentence):
    with pytest.raises(InputError, match=sentence):
        plan.check(with_experiment(**change))


@pytest.mark.parametrize("key", ["image_pca", "text_pca"])
def test_one_space_is_not_asked_of_views_that_a_pca_has_rotated(key):
    config = with_experiment(methods=[{"method": "sign", "params": {"shared": True}}])
    plan.check(config)
    config["features"]["f"][key] = 64
    with pytest.raises(InputError, match=f"one space, but features.f has {key}"):
        plan.check(config)


def test_a_table_tests_against_the_reference_by_its_own_settings_else_its_first_method():
    def reference(*methods):
        return plan.spec(with_experiment(methods=list(methods)), "x")["reference"]

    assert reference("cvh", "cmimh") == {"method": "CMIMH"}
    assert reference("djsrh", "cvh") == {"method": "DJSRH"}
    ablation = [
        {"method": "cmimh", "params": {"w_tc": 0}, "columns": {"tc": False}},
        {"method": "cmimh", "columns": {"tc": True}},
    ]
    assert reference(*ablation) == {"method": "CMIMH", "tc": True}


def under_protocols(**entry):
    config = with_experiment(protocols=["a", "b", "c"], datasets=["d", "e"], **entry)
    del config["experiments"]["x"]["metrics"]
    config["results"] = "r"
    config["datasets"]["e"] = config["datasets"]["d"]
    config["splits"]["t"] = {"query": 5, "train": 20}
    config["protocols"] = {
        "a": {"metrics": ["mAP@50"], "source": "A"},
        "b": {"metrics": ["P@r2"], "source": "B"},
        "c": {"metrics": ["mAP@all"], "source": "C", "split": {"d": "t"}},
    }
    return config


def test_an_experiment_under_protocols_becomes_a_table_for_each():
    config = under_protocols()
    plan.spread_protocols(config)
    assert list(config["experiments"]) == ["x", "x-a", "x-b", "x-c"]
    assert [plan.spec(config, f"x-{p}")["metrics"] for p in "abc"] == [
        ["mAP@50"], ["P@r2"], ["mAP@all"],
    ]  # fmt: skip
    splits = {s.dataset: s.split for s in plan.settings(config, "x-c")}
    assert splits == {"d": "t", "e": "s"}  # a set that the protocol does not name keeps its own
    found = plan.rankings_spec(config, "x")
    assert [t["file"] for t in found["tables"].values()] == ["r/x-a.csv", "r/x-b.csv", "r/x-c.csv"]


def test_protocols_that_share_a_split_share_their_trainings():
    config = under_protocols()
    plan.spread_protocols(config)
    assert plan.settings(config, "x-a") == plan.settings(config, "x-b")
    of_d, of_e = ([s for s in plan.settings(config, "x") if s.dataset == d] for d in "de")
    assert len(of_d) == 2 * len(of_e) == 4


def test_a_protocol_that_is_not_known_is_named():
    config = under_protocols()
    config["experiments"]["x"]["protocols"] = ["a", "z"]
    with pytest.raises(InputError, match=r"experiments.x.protocols: unknown name 'z'"):
        plan.spread_protocols(config)


def test_a_gallery_is_planned_where_both_methods_run():
    assert plan.galleries(CONFIG, ["x"]) == []
    (gallery,) = plan.galleries(with_experiment(methods=["cvh", "cmimh"]), ["x"])
    assert list(gallery["codes"]) == ["CVH", "CMIMH"]
    assert gallery["splits"] == "a/d/f/s/split.h5"


def test_the_gallery_is_told_what_the_methods_saw_of_the_texts():
    (gallery,) = plan.galleries(with_experiment(methods=["cvh", "cmimh"]), ["x"])
    assert gallery["text"] == {"kind": "tags"}


def test_splits_and_features_are_told_with_what_they_hold():
    told = plan.choices(with_experiment(train=[20, 50]), ["x"])
    assert told == {
        "Splits": {"s,train=20": "query 10, train 20", "s": "query 10, train 50"},
        "Features": {"f": "image e, text e"},
        "Encoders": {"e": "kind tags"},
    }


def test_labels_are_the_names_that_papers_print():
    assert label("ukd_ss,w=1") == "UKD-SS"


def test_the_config_of_the_paper_leads_everywhere(root):
    plan.check(yaml.safe_load((root / "config.yaml").read_text()))


def test_the_config_s_method_parameters_exist(root):
    config = yaml.safe_load((root / "config.yaml").read_text())
    for name in {parse_name(s.method)[0] for s in plan.all_settings(config)}:
        methods.create(name, bits=16, seed=0, **plan.method_params(config, name)[1])


def test_the_config_s_weights_of_eq_14_are_those_of_cmimh_s_file(root):
    config = yaml.safe_load((root / "config.yaml").read_text())
    own = methods.create("cmimh", bits=16, seed=0).get_params()
    weights = {name: value for name, value in own.items() if name.startswith("w_")}
    assert config["methods"]["cmimh"] == weights | {"critic": "mean"}


def test_planning_does_not_import_torch():
    code = (
        "import sys, pipeline.runs.plan, pipeline.cli.stages, pipeline.datasets;"
        "print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.lower()) is False
