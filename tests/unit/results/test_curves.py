"""Figures and the data behind them."""

import hashlib
import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest
from made_metrics import cell, spec
from PIL import Image

from pipeline.errors import InputError
from pipeline.results.curves import KINDS, curve_data, write_figure
from pipeline.results.registry import Measured
from pipeline.results.style import line_styles

MISSING = {"dataset": "nuswide", "features": "f", "split": "paper", "method": "CVH", "bits": 32,
           "missing": "its images are not here"}  # fmt: skip


def methods(tmp_path, **others):
    made = [cell(tmp_path, method=m, level=v, number=i)
            for i, (m, v) in enumerate((("CVH", 0.6), ("CMIMH", 0.8)))]  # fmt: skip
    return spec([*made, MISSING], **others)


def a_spec(kind, tmp_path):
    if kind == "sweep":
        made = [cell(tmp_path, w_inter=w, number=i) for i, w in enumerate((0.0, 0.01, 0.1, 1.0))]
        return spec(made, kind=kind, x="w_inter")
    if kind == "histogram":
        made = [cell(tmp_path, critic_input=c) for c in ("bernoulli", "samples=1")]
        return spec(made, kind=kind)
    return methods(tmp_path, kind=kind)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_gives_png_svg_and_data_always_the_same(kind, tmp_path):
    asked = a_spec(kind, tmp_path)
    digests = []
    for folder in ("a", "b"):
        write_figure(asked, tmp_path / folder / "figure.png")
        files = sorted((tmp_path / folder).iterdir())
        assert [file.name for file in files] == [
            "figure.csv",
            "figure.json",
            "figure.png",
            "figure.svg",
        ]
        digests.append([hashlib.sha256(file.read_bytes()).hexdigest() for file in files])
    assert digests[0] == digests[1]
    with Image.open(tmp_path / "a" / "figure.png") as image:
        assert min(image.size) > 300 and len(np.unique(np.asarray(image.convert("L")))) > 10
    root = ElementTree.parse(tmp_path / "a" / "figure.svg").getroot()
    assert root.tag.endswith("svg") and "date" not in (tmp_path / "a" / "figure.svg").read_text()


def test_precision_at_k_holds_every_k_with_mean_and_deviation(tmp_path):
    asked = methods(tmp_path, kind="precision_at_k")
    data = curve_data(asked).query("view == 't2i' and series == 'CMIMH'")
    curve = Measured(asked["cells"][1]).groups["t2i"]["precision_at"]
    np.testing.assert_array_equal(data["x"], np.arange(1, 301))
    np.testing.assert_allclose(data["y"].astype(float), curve.mean(axis=0))
    np.testing.assert_allclose(data["std"].astype(float), curve.std(axis=0, ddof=1))


def test_radii_that_retrieve_nothing_are_no_points_of_a_precision_recall_curve(tmp_path):
    data = curve_data(methods(tmp_path, kind="precision_recall")).query("note == ''")
    assert len(data[(data["series"] == "CVH") & (data["view"] == "i2t")]) == 32  # of 33 radii
    assert data["x"].astype(float).min() > 0 and data["y"].notna().all()


def test_a_sweep_has_a_point_per_weight_and_task(tmp_path):
    data = curve_data(a_spec("sweep", tmp_path))
    assert data["series"].unique().tolist() == ["i2t", "t2i"]
    assert data[data["series"] == "i2t"]["x"].tolist() == [0.0, 0.01, 0.1, 1.0]


def test_a_sweep_over_a_column_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="no w_gap"):
        curve_data(spec([cell(tmp_path)], kind="sweep", x="w_gap"))


def test_a_histogram_has_both_modalities_and_every_bin(tmp_path):
    data = curve_data(a_spec("histogram", tmp_path))
    assert data["view"].unique().tolist() == ["image", "text"]
    assert data.groupby(["view", "series"])["y"].sum().tolist() == pytest.approx([1.0] * 4)


def test_a_missing_data_set_keeps_its_panel_and_reason(tmp_path):
    data = curve_data(methods(tmp_path, kind="precision_at_k"))
    assert data[data["dataset"] == "nuswide"]["note"].tolist() == ["its images are not here"] * 2


def test_a_figure_of_only_missing_cells_can_be_drawn(tmp_path):
    for kind in KINDS:
        write_figure(spec([MISSING], kind=kind, x="w_inter"), tmp_path / f"{kind}.png")
        assert pd.read_csv(tmp_path / f"{kind}.csv")["y"].isna().all()


def test_an_unknown_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="'pie' is no figure"):
        write_figure(spec([MISSING], kind="pie"), tmp_path / "figure.png")


def test_a_method_looks_the_same_whatever_stands_beside_it():
    assert (
        line_styles(["CVH", "CMIMH"])["CMIMH"] == line_styles(["CMIMH", "mine", "DJSRH"])["CMIMH"]
    )


def test_no_two_curves_of_a_figure_look_the_same():
    names = ["CVH", "PDH", "CMFH", "ACQ", "FSH", "DJSRH", "CMIMH", "RANDOM", *"abcdefghijkl"]
    chosen = line_styles(names).values()
    assert len({(look.color, look.dash, look.marker) for look in chosen}) == len(names)
