"""The paper's numbers, carried as data, are complete and are the ones it prints."""

import csv

import pytest

from pipeline.errors import InputError
from pipeline.results import paper

CELLS = {"table1": 10, "table2": 36, "table3": 252, "table4": 32, "table5": 24, "table6": 36,
         "table7": 8, "table8": 66, "table9": 36}  # fmt: skip

RANGES = {  # smallest and largest value that each table prints
    "table1": (0.7941, 0.8193), "table2": (0.037, 6.718), "table3": (0.5619, 0.8676),
    "table4": (0.7314, 0.8292), "table5": (0.511, 0.882), "table6": (0.603, 0.7598),
    "table7": (0.405, 0.9435), "table8": (0.3555, 0.6568), "table9": (0.6818, 0.7966),
}  # fmt: skip

SPOTS = [
    ("table1", {"task": "t2i", "critic_input": "samples=10"}, 0.8122),
    ("table2", {"task": "text", "bits": 16, "with_tc": "no", "metric": "TC"}, 4.288),
    ("table2", {"task": "image", "bits": 32, "with_tc": "no", "metric": "corr_mse"}, 0.092),
    ("table2", {"task": "i2t", "bits": 48, "with_tc": "yes", "metric": "mAP@1000"}, 0.8292),
    ("table3", {"dataset": "mirflickr25k", "task": "i2t", "method": "CVH", "bits": 16}, 0.6818),
    ("table3", {"dataset": "coco2017", "task": "t2i", "method": "DJSRH", "bits": 16}, 0.5619),
    ("table3", {"dataset": "mirflickr25k", "task": "i2i", "method": "CMIMH", "bits": 48}, 0.8676),
    ("table3", {"dataset": "nuswide", "task": "t2t", "method": "FSH", "bits": 32}, 0.6755),
    ("table4", {"task": "t2i", "bits": 48, "intra_mi": "no", "tc": "yes"}, 0.7869),
    ("table5", {"dataset": "nuswide", "task": "t2i", "method": "UDCMH", "bits": 64}, 0.695),
    ("table6", {"dataset": "nuswide", "task": "t2i", "method": "UKD-SS", "bits": 32}, 0.656),
    ("table7", {"method": "LDR", "task": "t2i", "metric": "R@10", "bits": 1024}, 0.887),
    ("table7", {"method": "CMIMH", "task": "t2i", "metric": "R@1", "bits": 128}, 0.6982),
    ("table8", {"task": "t2i", "method": "CRE", "bits": 64, "metric": "mAP@all"}, 0.5149),
    ("table8", {"task": "i2t", "method": "CMIMH", "bits": 64, "metric": "P@100"}, 0.6568),
    ("table9", {"task": "t2i", "method": "DJSRH", "bits": 48, "training_size": "20000"}, 0.7729),
]


def test_every_table_is_there():
    assert paper.available() == sorted(CELLS)


@pytest.mark.parametrize("name", CELLS)
def test_each_table_has_all_its_cells_once(name):
    table = paper.load(name)
    assert len(table) == CELLS[name]
    assert not table.drop(columns="value").duplicated().any()


@pytest.mark.parametrize("name", CELLS)
def test_each_table_spans_the_range_that_is_printed(name):
    values = paper.load(name)["value"]
    assert (values.min(), values.max()) == RANGES[name]


@pytest.mark.parametrize(("name", "keys", "value"), SPOTS)
def test_spot_values(name, keys, value):
    table = paper.load(name)
    for key, wanted in keys.items():
        table = table[table[key] == wanted]
    assert table["value"].tolist() == [value]


def test_the_same_setting_of_tables_3_and_9_differs_by_at_most_0_66_points():
    keys = ["task", "method", "dataset", "bits"]
    ninth = paper.load("table9")
    both = paper.load("table3").merge(ninth[ninth["training_size"] == "5000"], on=keys)
    gap = (both["value_x"] - both["value_y"]).abs()
    assert len(both) == 12 and gap.max() <= 0.0066


def _share(row):
    """A value in our units: percent become shares; TC and corr_mse stay."""
    if "value_percent" in row or row["quantity"].startswith("mAP"):
        return float(row.get("value_percent") or row["value"]) / 100
    return float(row["value"])


@pytest.mark.parametrize("name", CELLS)
def test_values_are_those_of_the_machine_read_tables(name, shared):
    """Compared as sorted numbers: what is renamed in our tidy form does not change a value."""
    with (shared / "paper" / "tables" / f"{name}.csv").open() as file:
        rows = list(csv.DictReader(file))
    expected = [_share(row) for row in rows]
    assert sorted(paper.load(name)["value"]) == pytest.approx(sorted(expected), abs=1e-9)


def test_an_unknown_table_is_named():
    with pytest.raises(InputError, match="no 'table10'"):
        paper.load("table10")
