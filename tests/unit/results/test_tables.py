"""The long table, its comparison with the paper, and its Markdown and LaTeX views."""

import re
import shutil
import subprocess

import numpy as np
import pytest
import yaml
from made_metrics import cell, groups, spec
from scipy.stats import ttest_1samp

from pipeline.errors import InputError
from pipeline.results import latex, markdown, paper
from pipeline.results.registry import Measured, metric
from pipeline.results.significance import holm, paired_difference
from pipeline.results.tables import long_table, read_csv, write_csv, write_table
from pipeline.results.views import view
from pipeline.runs import plan
from pipeline.storage import store

MISSING = {"dataset": "nuswide", "features": "f", "split": "paper", "method": "CVH", "bits": 32,
           "missing": "its images are not here"}  # fmt: skip


@pytest.fixture
def three(tmp_path):
    """Three methods at 32 bits: CMIMH far ahead, two that differ by little."""
    levels = {"CVH": 0.60, "DJSRH": 0.605, "CMIMH": 0.80}
    return spec(
        [cell(tmp_path, method=m, level=v, number=i) for i, (m, v) in enumerate(levels.items())],
        paper="table3",
    )


def means(table):
    return table[table["seed"] == "mean"]


def beyond_noise(made):
    """The mark of CMIMH's only cell beside Table III."""
    table = means(long_table(spec([made], paper="table3", tasks=["i2t"])))
    return table.set_index("method").loc["CMIMH", "beyond_noise"]


# --- the registry ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("mAP@1000", "ap_expected_hits@1000"),
        ("mAP@50", "ap_expected_hits@50"),
        ("mAP@all", "ap_expected_hits@all"),
        ("mAP@all:total", "ap_expected_total@all"),
        ("mAP@1000:min", "ap_expected_min@1000"),
        ("mAP@1000:stable", "ap_stable@1000"),
        ("mAP@1000:optimistic", "ap_optimistic@1000"),
        ("mAP@50:pessimistic", "ap_pessimistic@50"),
        ("R@1", "hit@1"),
        ("R@10", "hit@10"),
    ],
)
def test_means_over_queries_read_their_own_array(name, array, tmp_path):
    measured = Measured(cell(tmp_path))
    expected = measured.groups["t2i"][array]
    np.testing.assert_array_equal(metric(name).read(measured, "t2i"), expected.mean(axis=1))
    np.testing.assert_array_equal(metric(name).per_query(measured, "t2i"), expected)


def test_precision_at_a_cut_is_one_point_of_the_curve(tmp_path):
    measured = Measured(cell(tmp_path))
    curve = measured.groups["i2t"]["precision_at"]
    np.testing.assert_array_equal(metric("P@100").read(measured, "i2t"), curve[:, 99])


def test_precision_within_a_radius_is_one_point_of_the_curve_by_radius(tmp_path):
    measured = Measured(cell(tmp_path))
    curve = measured.groups["i2t"]["pr_precision_macro"]
    np.testing.assert_array_equal(metric("P@r2").read(measured, "i2t"), curve[:, 2])
    with pytest.raises(InputError, match="the codes have 32 bits"):
        metric("P@r33").read(measured, "i2t")
    del measured.groups["codes"]["corr_mse_image"]  # as of real values, which have no radius
    assert metric("P@r2").read(measured, "i2t") is None


def test_what_is_measured_on_a_modality_asks_for_modalities(tmp_path):
    measured = Measured(cell(tmp_path))
    for name, expected in (("TC", [2.0, 3.0, 4.0]), ("corr_mse", [0.04] * 3)):
        assert metric(name).tasks(["i2t"]) == ["image", "text"]
        np.testing.assert_allclose(metric(name).read(measured, "image"), expected)
        assert not metric(name).higher_is_better


@pytest.mark.parametrize("name", ["mAP", "mAP@x", "MAP@10", "mAP@5:best", "P@", "NDCG"])
def test_an_unknown_metric_is_named(name):
    with pytest.raises(InputError, match="unknown metric"):
        metric(name)


def test_a_cut_that_was_not_evaluated_is_named(tmp_path):
    measured = Measured(cell(tmp_path))
    with pytest.raises(InputError, match=r"i2t has no ap_expected_hits@7"):
        metric("mAP@7").read(measured, "i2t")
    with pytest.raises(InputError, match="P@K ends at 300"):
        metric("P@301").read(measured, "i2t")


# --- the long table -------------------------------------------------------------------------------


def test_each_seed_then_mean_and_deviation(three):
    table = long_table(three)
    rows = table[(table["task"] == "i2t") & (table["method"] == "CVH")]
    assert rows["seed"].tolist() == ["0", "1", "2", "mean", "std"]
    seeds = Measured(three["cells"][0]).groups["i2t"]["ap_expected_hits@1000"].mean(axis=1)
    np.testing.assert_allclose(rows["value"][:3].astype(float), seeds)
    np.testing.assert_allclose(rows["value"][3:].astype(float), [seeds.mean(), seeds.std(ddof=1)])


def test_the_value_is_the_expectation_over_ties_with_the_stable_one_beside_it(three):
    table = long_table(three)
    rows = means(table).set_index(["task", "method"])
    measured = Measured(three["cells"][0]).groups["i2t"]
    row = rows.loc[("i2t", "CVH")]
    assert row["value"] == pytest.approx(measured["ap_expected_hits@1000"].mean())
    assert row["stable"] == pytest.approx(measured["ap_stable@1000"].mean())
    largest = 100 * (rows["value"] - rows["stable"]).abs().max()
    assert f"at most {largest:.2f} points" in markdown.render(view(three, table))
    assert metric("mAP@all").stable is None and metric("mAP@1000:min").stable is None


def test_the_paper_stands_beside_ours_with_the_difference(three):
    rows = means(long_table(three)).set_index(["task", "method"])
    assert rows.loc[("i2t", "CVH"), "paper"] == 0.6695
    assert rows.loc[("t2i", "CMIMH"), "paper"] == 0.8143
    np.testing.assert_allclose(
        rows["difference"].astype(float), rows["value"].astype(float) - rows["paper"]
    )


@pytest.mark.parametrize(("shift", "expected"), [(0.0, "no"), (0.2, "yes")])
def test_a_difference_is_marked_when_seeds_do_not_explain_it(tmp_path, shift, expected):
    measured = groups(np.random.default_rng(0), 0.6, 32)
    values = np.array([-0.01, 0.0, 0.01]) + 0.8193 + shift
    measured["i2t"]["ap_expected_hits@1000"] = np.tile(values[:, None], 50)
    assert beyond_noise(cell(tmp_path, metrics=measured)) == expected


def test_the_mark_is_where_one_new_run_in_twenty_would_be(tmp_path):
    """s = .01, S = 3: the quantile of two degrees of freedom, 4.303, gives .04303 sqrt(4/3)."""
    for name, shift, expected in (("a", 0.0496, "no"), ("b", 0.0498, "yes")):
        measured = groups(np.random.default_rng(0), 0.6, 32)
        values = np.array([-0.01, 0.0, 0.01]) + 0.8193 + shift
        measured["i2t"]["ap_expected_hits@1000"] = np.tile(values[:, None], 50)
        assert beyond_noise(cell(tmp_path / name, metrics=measured)) == expected


def test_one_seed_has_no_deviation_and_no_mark(tmp_path):
    table = long_table(spec([cell(tmp_path, seeds=1)], paper="table3"))
    assert table["seed"].unique().tolist() == ["0", "mean"]
    assert means(table)["beyond_noise"].isna().all()


def test_every_value_has_its_place(three):
    rows = means(long_table(three)).set_index(["task", "method"])
    assert rows.loc[("i2t", "CMIMH"), "rank"] == 1
    assert sorted(rows.loc["i2t"]["rank"].dropna()) == [1, 2, 3]


def test_others_are_tested_against_the_reference_and_corrected_over_the_table(three):
    rows = means(long_table(three)).set_index(["task", "method"])
    measured = {c["method"]: Measured(c) for c in three["cells"]}
    raw = {}
    for task in ("i2t", "t2i"):
        ap = {m: found.groups[task]["ap_expected_hits@1000"] for m, found in measured.items()}
        for method in ("CVH", "DJSRH"):
            found = paired_difference(ap[method] - ap["CMIMH"], measured[method].query_rows)
            row = rows.loc[(task, method)]
            raw[task, method] = found.p_value
            assert row["effect"] == pytest.approx(found.mean)
            assert (row["effect_low"], row["effect_high"]) == pytest.approx(found.interval)
        assert np.isnan(rows.loc[(task, "CMIMH"), "p_value"])
    np.testing.assert_allclose(rows.loc[list(raw), "p_value"], holm(list(raw.values())))
    assert (rows["p_value"].dropna() < 0.05).all()


def test_an_ablation_is_tested_against_the_variant_that_the_spec_names(tmp_path):
    made = [cell(tmp_path, tc=tc, level=v, number=i)
            for i, (tc, v) in enumerate(((False, 0.6), (True, 0.7)))]  # fmt: skip
    asked = spec(made, rows=["tc"], columns=["task"], reference={"method": "CMIMH", "tc": True})
    table = long_table(asked)
    rows = means(table).set_index(["task", "tc"])
    assert rows.loc[("i2t", "no"), "effect"] == pytest.approx(-0.1, abs=0.03)
    assert np.isnan(rows.loc[("i2t", "yes"), "effect"])
    assert view(asked, table).effects.title == "Differences from tc yes"


def test_values_of_other_queries_or_of_unknown_ones_are_not_tested(tmp_path):
    other = groups(np.random.default_rng(0), 0.6, 32)
    other["queries"]["rows"] = other["queries"]["rows"] + 1
    cells = [cell(tmp_path), cell(tmp_path, method="CVH", metrics=other)]
    rows = means(long_table(spec(cells)))
    assert rows["p_value"].isna().all() and rows["rank"].notna().all()
    cells[1] = cell(tmp_path, method="FSH", number=1)
    rows = means(long_table(spec(cells, metrics=["P@100"])))
    assert rows["p_value"].isna().all()  # of P@K only the mean over queries is kept


def test_what_is_measured_on_codes_is_tested_over_seeds(tmp_path):
    cells = []
    for number, (with_tc, shift) in enumerate((("yes", 0.0), ("no", 0.1))):
        measured = groups(np.random.default_rng(0), 0.6, 32)
        measured["codes"]["corr_mse_image"] = np.array([0.01, 0.02, 0.03 + shift / 10]) + shift
        cells.append(cell(tmp_path, with_tc=with_tc, metrics=measured, number=number))
    asked = spec(cells, metrics=["corr_mse"], rows=["metric", "task"], columns=["with_tc"],
                 reference={"method": "CMIMH", "with_tc": "yes"})  # fmt: skip
    row = means(long_table(asked)).set_index(["task", "with_tc"]).loc[("image", "no")]
    assert row["effect"] == pytest.approx(0.31 / 3)
    expected = ttest_1samp([0.1, 0.1, 0.11], 0).pvalue
    assert row["p_value"] == pytest.approx(2 * expected)  # the texts' is the second of two tests


def test_equal_values_share_their_place(tmp_path):
    cells = [cell(tmp_path, method=m, number=n) for m, n in (("FSH", 1), ("CVH", 1), ("ACQ", 2))]
    rows = means(long_table(spec(cells, tasks=["i2t"]))).set_index("method")
    assert rows.loc["FSH", "rank"] == rows.loc["CVH", "rank"]
    assert sorted(rows["rank"]) in ([1, 1, 2], [1, 2, 2])


def test_near_equal_methods_are_not_told_apart(tmp_path):
    methods = enumerate(("CMIMH", "CVH"))
    cells = [cell(tmp_path, method=m, level=0.6, number=i) for i, m in methods]
    rows = means(long_table(spec(cells)))
    assert (rows["p_value"].dropna() > 0.05).all() and rows["p_value"].notna().sum() == 2


def test_lower_is_better_where_the_metric_says_so(tmp_path):
    cells = []
    for number, (with_tc, mse) in enumerate((("yes", 0.01), ("no", 0.2))):
        measured = groups(np.random.default_rng(0), 0.6, 32)
        measured["codes"]["corr_mse_image"] = np.full(3, mse)
        cells.append(cell(tmp_path, with_tc=with_tc, metrics=measured, number=number))
    asked = spec(cells, metrics=["corr_mse"], rows=["metric", "task"], columns=["bits", "with_tc"])
    rows = means(long_table(asked)).set_index(["task", "with_tc"])
    assert rows.loc[("image", "yes"), "rank"] == 1 and rows.loc[("image", "no"), "rank"] == 2


def test_a_missing_cell_stays_with_its_reason_and_the_papers_number(three):
    three["cells"].append(MISSING)
    rows = means(long_table(three)).query(
        "dataset == 'nuswide' and task == 'i2t' and method == 'CVH'"
    )
    assert rows["value"].isna().all() and rows["paper"].tolist() == [0.5716]
    assert rows["note"].tolist() == ["its images are not here"]


def test_a_method_of_the_paper_that_was_not_run_keeps_its_number(tmp_path):
    made = cell(tmp_path, method="CMIMH", bits=64)
    table = means(long_table(spec([made], paper="table5", metrics=["mAP@50"])))
    printed = table[table["method"] == "UDCMH"].set_index("task")
    assert printed["paper"].to_dict() == {"i2t": 0.714, "t2i": 0.718}
    assert printed["value"].isna().all() and (printed["note"] != "").all()


def test_other_data_sets_have_nothing_of_the_paper_beside_them(tmp_path):
    table = means(long_table(spec([cell(tmp_path, dataset="scenes")], paper="table3")))
    assert table["paper"].isna().all() and table["method"].unique().tolist() == ["CMIMH"]


def test_the_experiments_own_columns_join_with_the_papers(tmp_path):
    """A truth value of the config meets the yes and no of the table, a number its text."""
    flags = {"intra_mi": True, "inter_mi": True, "tc": False, "balance": True}
    table = means(long_table(spec([cell(tmp_path, **flags)], paper="table4")))
    assert table["paper"].tolist() == [0.8143, 0.8114]
    made = cell(tmp_path, dataset="nuswide", training_size=10000)
    assert means(long_table(spec([made], paper="table9")))["paper"].tolist()[0] == 0.778


def test_a_paper_table_that_varies_more_than_the_cells_is_refused(tmp_path):
    with pytest.raises(InputError, match="varies training_size"):
        long_table(spec([cell(tmp_path, dataset="nuswide")], paper="table9"))


def test_modality_metrics_meet_the_papers_table_2(tmp_path):
    made = [cell(tmp_path, with_tc=with_tc) for with_tc in ("yes", "no")]
    asked = spec(made, paper="table2", metrics=["TC", "corr_mse", "mAP@1000"],
                 rows=["metric", "task"], columns=["bits", "with_tc"])  # fmt: skip
    rows = means(long_table(asked))
    assert len(rows) == 12 and rows["paper"].notna().all()
    text = markdown.render(view(asked, long_table(asked)))
    assert "| Corr MSE | image | **0.040** ± 0.000<br>0.040 (+0.000) |" in text


def test_a_length_of_its_own_competes_with_the_method(tmp_path):
    made = [cell(tmp_path, method="LDR", bits=1024, dataset="coco2017"),
            cell(tmp_path, bits=128, level=0.7, dataset="coco2017", number=1)]  # fmt: skip
    asked = spec(made, paper="table7", metrics=["R@1", "R@10"], rows=["method", "bits"],
                 columns=["task", "metric"])  # fmt: skip
    rows = means(long_table(asked))
    assert rows["paper"].notna().all() and rows["rank"].notna().all()


def test_a_method_without_a_diagnostic_says_so(tmp_path):
    made = cell(tmp_path, method="CVH", metrics={"i2t": {}, "codes": {}})
    table = means(long_table(spec([made], metrics=["corr_mse"])))
    assert table["note"].unique().tolist() == ["CVH has no corr_mse"]


def test_partners_stand_in_a_table_once_a_cell_and_not_by_task(tmp_path):
    made = cell(tmp_path)
    codes = store.read_codes(made["codes_file"])
    told = dict(codes.diagnostics) | {"partners": np.array([0.7, 0.8, 0.9])}
    codes = store.Codes(codes.seeds, codes.image, codes.text, told)
    store.write_codes(made["codes_file"], codes, store.Provenance("train"))
    rows = means(long_table(spec([made], metrics=["partners"], rows=["method"])))
    assert rows["task"].tolist() == ["pairs"]
    assert rows["value"].tolist() == [pytest.approx(0.8)]


def test_the_csv_gives_the_table_back_and_always_the_same_bytes(three, tmp_path):
    table = long_table(three)
    write_csv(table, tmp_path / "a.csv")
    write_csv(long_table(three), tmp_path / "b.csv")
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    back = read_csv(tmp_path / "a.csv")
    assert list(back.columns) == list(table.columns)
    np.testing.assert_allclose(back["value"], table["value"].astype(float), rtol=1e-5)
    write_csv(back, tmp_path / "c.csv")
    assert (tmp_path / "c.csv").read_bytes() == (tmp_path / "a.csv").read_bytes()
    assert markdown.render(view(three, back)) == markdown.render(view(three, table))


@pytest.mark.parametrize("name", paper.available())
def test_every_number_of_the_paper_has_its_place_in_the_table_of_the_config(name, root):
    """Asked for a data set that is not there, a table has no value of ours and all of the paper."""
    config = yaml.safe_load((root / "config.yaml").read_text())
    asked = plan.spec(config, name, only="none")
    table = means(long_table(asked))
    assert table["paper"].notna().sum() == len(paper.load(name))
    shaped = view(asked, table)
    assert sum(bool(cell.paper) for cell in shaped.cells.values()) == len(paper.load(name))
    check_latex(latex.render(shaped))


# --- the views ------------------------------------------------------------------------------------


def test_table_views_and_record_come_from_one_call(three, tmp_path):
    write_table(three, tmp_path / "out" / "table3.csv")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["table3.csv", "table3.json", "table3.md", "table3.tex"]


def test_markdown_is_shaped_like_the_paper(three):
    lines = markdown.render(view(three, long_table(three))).splitlines()
    assert lines[0] == "# A table"
    assert lines[2] == "| task | method | MIR-Flickr25K 32 bits |"
    assert [line.split(" | ")[1] for line in lines[4:7]] == ["CVH", "DJSRH", "CMIMH"]
    assert re.search(r"\| \*\*\d\d\.\d\d\*\* ± \d\.\d\d<br>81\.93 \([+−]\d\.\d\d", lines[6])
    widths = {line.count("|") for line in lines if line.startswith("|")}
    assert widths == {4}


def test_effects_stand_in_a_table_of_their_own_with_intervals_and_daggers(three):
    shaped = view(three, long_table(three))
    _, _, below = markdown.render(shaped).partition("## Differences from CMIMH\n")
    rows = [line for line in below.splitlines() if line.startswith("| Img")]
    assert [row.split(" | ")[1] for row in rows] == ["CVH", "DJSRH"]
    for row in rows:
        assert re.search(r"\| −\d\d\.\d† \[−\d\d\.\d, −\d\d\.\d\] \|", row), row
    assert "Holm's correction over the 4 tests of this table" in below
    assert "[" not in markdown.render(shaped).partition("## ")[0]
    below = latex.render(shaped).split(r"\begin{table*}")[2]
    check_latex(r"\begin{table*}" + below)
    assert re.search(r"\{\\tiny \[\$-\$\d\d\.\d, \$-\$\d\d\.\d\]\}", below), below


def test_without_the_reference_there_are_no_effects(tmp_path):
    cells = [cell(tmp_path, method=m, number=i) for i, m in enumerate(("FSH", "CVH"))]
    shaped = view(spec(cells), long_table(spec(cells)))
    assert shaped.effects is None and "Differences" not in markdown.render(shaped)


def test_rows_of_an_ablation_stay_in_the_order_of_the_experiment(tmp_path):
    """Flags are no headings: only a task, data set, metric or length gathers rows below it."""
    order = [(True, False), (False, True), (True, True)]
    made = [cell(tmp_path, intra_mi=a, tc=b, number=i) for i, (a, b) in enumerate(order)]
    asked = spec(made, rows=["intra_mi", "tc"], columns=["bits", "task"])
    shaped = view(asked, long_table(asked))
    assert shaped.rows == [("yes", "no"), ("no", "yes"), ("yes", "yes")]
    assert [heading for heading, _ in shaped.row_groups()] == [""]


def test_tasks_gather_their_rows_below_a_heading(three):
    shaped = view(three, long_table(three))
    assert [(name, len(rows)) for name, rows in shaped.row_groups()] == [
        ("Img → Txt", 7),
        ("Txt → Img", 7),
    ]


def test_hostile_names_stay_text(tmp_path):
    made = [cell(tmp_path, method=m) for m in ("a|b_<i>", "50%&$x^~\\{")]
    shaped = view(spec(made), long_table(spec(made)))
    assert r"a\|b\_\<i>" in markdown.render(shaped)
    assert r"50\%\&\$x\textasciicircum{}\textasciitilde{}\textbackslash{}\{" in latex.render(shaped)


def check_latex(text):
    """Balanced braces and environments, the three booktabs rules, equal cells in every row."""
    body = text.replace("\\{", "").replace("\\}", "")
    assert body.count("{") == body.count("}")
    assert re.findall(r"\\begin\{([a-z]+)", text) == re.findall(r"\\end\{([a-z]+)", text)[::-1]
    for rule in ("toprule", "midrule", "bottomrule"):
        assert f"\\{rule}" in text
    inside = text.split("\\toprule")[1].split("\\bottomrule")[0]
    rows = [line for line in inside.splitlines() if line.endswith("\\\\")]
    wide = [sum(int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", row)) for row in rows]
    cells = {len(re.findall(r"(?<!\\)&", row)) + 1 + w for row, w in zip(rows, wide, strict=True)}
    assert cells == {len(re.search(r"\\begin\{tabular\}\{([lr]+)\}", text)[1])}
    assert all(ord(character) < 128 for character in inside)


def test_latex_is_well_formed(three, tmp_path):
    three["cells"].append(cell(tmp_path, method="CVH", bits=16))
    three["cells"].append(
        {"dataset": "nuswide", "method": "CVH", "bits": 16, "missing": "50 % of it_is & gone"}
    )
    check_latex(latex.render(view(three, long_table(three))))


def test_table_3_of_the_paper_fits_a_page_of_a_journal(tmp_path):
    """252 numbers with the paper's below, on a page of two columns of 252 points."""
    if not shutil.which("pdflatex"):
        pytest.skip("needs LaTeX (packages texlive-latex-base and texlive-latex-recommended)")
    made = [cell(tmp_path, dataset=d, method=m, bits=b, number=b)
            for d in ("mirflickr25k", "nuswide", "coco2017")
            for m in ("CVH", "PDH", "CMFH", "ACQ", "FSH", "DJSRH", "CMIMH")
            for b in (16, 32, 48)]  # fmt: skip
    asked = spec(made, paper="table3", tasks=["i2t", "t2i", "i2i", "t2t"])
    write_table(asked, tmp_path / "table3.csv")
    page = r"\textwidth=516pt\textheight=696pt\oddsidemargin=-20pt\topmargin=-60pt"
    (tmp_path / "page.tex").write_text(
        rf"\documentclass{{article}}\usepackage{{booktabs}}{page}"
        r"\begin{document}\input{table3}\end{document}"
    )
    command = ["pdflatex", "-halt-on-error", "-interaction=nonstopmode", "page.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "Overfull" not in done.stdout and "too large" not in done.stdout, done.stdout


def test_two_values_for_one_cell_are_refused(three):
    asked = three | {"columns": ["dataset"], "rows": ["task"]}
    with pytest.raises(InputError, match="add method to the rows or columns"):
        view(asked, long_table(asked))


def test_an_unknown_key_is_refused(three):
    asked = three | {"columns": ["dataset", "colour"]}
    with pytest.raises(InputError, match="no cell has a colour"):
        view(asked, long_table(asked))


def test_a_cell_of_which_a_seed_collapsed_is_marked_in_every_view(tmp_path):
    rng = np.random.default_rng(0)
    metrics = groups(rng, 0.6, 32, 3)
    metrics["codes"]["collapsed"] = np.array([0.0, 1.0, 1.0])
    cells = [cell(tmp_path, metrics=metrics), cell(tmp_path, method="CVH", number=1)]
    table = long_table(spec(cells))
    means = table[table["seed"] == "mean"].set_index("method")["collapsed"]
    assert set(means["CMIMH"]) == {2} and set(means["CVH"]) == {0}
    shaped = view(spec(cells), table)
    assert sorted(c.collapsed for c in shaped.cells.values()) == [False, False, True, True]
    assert "‡" in markdown.render(shaped) and "ddagger" in latex.render(shaped)


def test_codes_made_from_both_views_are_marked_and_neither_ranked_nor_tested(tmp_path):
    metrics = groups(np.random.default_rng(0), 0.9, 32, 3)
    metrics["codes"]["sees_both_views"] = np.array([True, True, True])
    cells = [cell(tmp_path), cell(tmp_path, method="CVH", number=1),
             cell(tmp_path, method="UCMFH", metrics=metrics)]  # fmt: skip
    table = long_table(spec(cells))
    means = table[table["seed"] == "mean"].set_index("method")
    assert set(means["form"]["UCMFH"]) == {"both views"} and set(means["form"]["CVH"]) == {"codes"}
    assert means["rank"]["UCMFH"].isna().all() and means["p_value"]["UCMFH"].isna().all()
    assert sorted(means["rank"].dropna()) == [1, 1, 2, 2]
    shaped = view(spec(cells), table)
    assert sum(c.both_views for c in shaped.cells.values()) == 2
    assert "§: codes made from both views" in markdown.render(shaped)
    assert r"$^\S$" in latex.render(shaped)


def test_queries_without_a_relevant_item_are_counted_beside_the_numbers(tmp_path):
    metrics = groups(np.random.default_rng(0), 0.6, 32, 3)
    metrics["i2t"]["without_relevant"] = np.array([0.0, 0.1, 0.2])
    cells = [cell(tmp_path, metrics=metrics), cell(tmp_path, method="CVH", number=1)]
    table = long_table(spec(cells))
    means = table[(table["seed"] == "mean") & (table["task"] == "i2t")].set_index("method")
    assert means["without_relevant"]["CMIMH"] == pytest.approx(0.1)
    shaped = view(spec(cells), table)
    assert "Up to 10 % of the queries have no relevant item" in markdown.render(shaped)
    none = view(spec(cells[1:]), long_table(spec(cells[1:])))
    assert "no relevant item" not in markdown.render(none)
