"""Ranks under several protocols, how far the protocols agree, and the leaderboard."""

import json

import numpy as np
import pandas as pd
import pytest
from made_metrics import cell, groups, spec

from pipeline.errors import InputError
from pipeline.results import rankings
from pipeline.results.leaderboard import write_rankings
from pipeline.results.report import write_report
from pipeline.results.tables import write_table

ASKED = {"near": "mAP@50", "far": "mAP@all"}
SPEC = {
    "name": "field",
    "kind": "rankings",
    "title": "All methods",
    "tables": {
        protocol: {"file": f"field-{protocol}.csv", "metric": name, "source": "somebody"}
        for protocol, name in ASKED.items()
    },
}


def long(values, forms=None):
    """A long table of values by method, one a seed, on one task, set and code length."""
    keys = {"dataset": "d", "bits": 16, "task": "i2t", "form": ""}
    rows = [
        {**keys, "method": method, "seed": str(seed), "value": value}
        for method, of_seeds in values.items()
        for seed, value in enumerate(of_seeds)
    ]
    rows += [
        {**keys, "method": m, "seed": "mean", "value": 0.0, "form": (forms or {}).get(m, "codes")}
        for m in values
    ]
    return pd.DataFrame(rows)


def ranks_of(table):
    found = rankings.ranked(SPEC, {"near": table, "far": table})
    return found[found["protocol"] == "near"].set_index("method")


def test_a_rank_is_that_of_the_mean_beside_those_of_single_seeds():
    found = ranks_of(long({"A": [0.5, 0.9], "B": [0.6, 0.6], "C": [0.1, 0.2]}))
    assert dict(found["rank"]) == {"A": 1, "B": 2, "C": 3}
    told = {method: rankings.rank_text(row) for method, row in found.iterrows()}
    assert told == {"A": "1 (1–2)", "B": "2 (1–2)", "C": "3"}


def test_what_is_no_code_of_one_view_stands_beside_the_ranks():
    values = {"REAL": [0.9, 0.9], "A": [0.5, 0.5], "BOTH": [0.8, 0.8], "B": [0.4, 0.4]}
    found = ranks_of(long(values, {"REAL": "real values", "BOTH": "both views"}))
    assert found["rank"].dropna().to_dict() == {"A": 1, "B": 2}
    assert found["value"]["BOTH"] == pytest.approx(0.8)
    text = rankings.render(SPEC, found.reset_index(), dict.fromkeys(PAIRS, 0.5))
    assert "Not ranked: BOTH, REAL." in text


PAIRS = [(one, other) for one in ASKED for other in ASKED]


def test_tau_is_one_for_the_same_order_and_minus_one_for_the_reverse():
    up = long({"A": [0.1, 0.1], "B": [0.2, 0.2], "C": [0.3, 0.3]})
    down = long({"A": [0.6, 0.6], "B": [0.5, 0.5], "C": [0.4, 0.4]})
    assert rankings.agreement(SPEC, {"near": up, "far": up})["near", "far"] == 1
    assert rankings.agreement(SPEC, {"near": up, "far": down})["near", "far"] == -1


def test_of_a_protocol_with_itself_tau_compares_its_seeds():
    table = long({"A": [0.1, 0.3], "B": [0.2, 0.2], "C": [0.3, 0.1]})
    assert rankings.agreement(SPEC, {"near": table, "far": table})["far", "far"] == -1


def test_a_metric_of_which_less_is_better_ranks_the_other_way():
    shape = {**SPEC, "tables": {"near": {**SPEC["tables"]["near"], "metric": "MedR"}}}
    found = rankings.ranked(shape, {"near": long({"A": [9.0, 9.0], "B": [2.0, 2.0]})})
    assert dict(zip(found["method"], found["rank"], strict=True)) == {"A": 2, "B": 1}


def test_tables_without_any_value_are_refused():
    empty = long({"A": [np.nan]})
    with pytest.raises(InputError, match="none of its tables has a value"):
        rankings.ranked(SPEC, {"near": empty})


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("field")
    metrics = groups(np.random.default_rng(3), 0.9, 32, 3)
    metrics["codes"]["sees_both_views"] = np.array([True] * 3)
    cells = [
        cell(folder, method="CMIMH", level=0.5),
        cell(folder, method="CVH", level=0.7, number=1),
        cell(folder, method="UCMFH", metrics=metrics),
    ]
    tables = {p: {**t, "file": str(folder / t["file"])} for p, t in SPEC["tables"].items()}
    for protocol, name in ASKED.items():
        write_table(spec(cells, metrics=[name]), tables[protocol]["file"])
    write_rankings({**SPEC, "tables": tables}, folder / "field.csv")
    return folder / "field.html"


def test_the_page_needs_nothing_from_elsewhere_and_says_whose_is_what(page):
    text = page.read_text()
    assert "http" not in text and "src=" not in text
    assert "regularised CCA" not in text and "the eigenproblem; bits are signs" in text  # of CVH
    record = json.loads(page.with_suffix(".json").read_text())
    assert len(record["made_from"]) == 2 and set(record["files"]) == {
        "field.csv", "field.md", "field.html",
    }  # fmt: skip


def test_the_page_shows_what_saw_both_views_without_a_rank(page):
    table = pd.read_csv(page.with_suffix(".csv")).set_index(["protocol", "method"])
    assert np.isnan(table.loc[("near", "UCMFH"), "rank"])
    assert table.loc[("near", "CVH"), "rank"] == 1
    assert "shown, not ranked" in page.read_text()


def test_the_report_leads_to_the_page(page, tmp_path):
    shown = {**SPEC, "cells": [], "seeds": [0]}
    write_report([(shown, page.with_suffix(".csv"))], tmp_path / "report.html", title="t")
    text = (tmp_path / "report.html").read_text()
    assert 'href="field.html"' in text and "(near, far)" in text


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning")  # selenium's own sockets
def test_the_board_is_sorted_and_switched_by_keyboard(page, chromium):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import Select

    chromium.get(page.as_uri())
    assert chromium.get_log("browser") == []

    def methods():
        return [row.text for row in chromium.find_elements(By.CSS_SELECTOR, "#board tbody th")
                if row.is_displayed()]  # fmt: skip

    assert methods() == ["CVH", "CMIMH", "UCMFH"]  # by mean rank, the unranked last
    head = chromium.find_element(By.CSS_SELECTOR, "#board-near thead tr:last-child th:nth-child(3)")
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert methods() == ["UCMFH", "CVH", "CMIMH"]
    assert head.get_attribute("aria-sort") == "descending"
    said = chromium.find_element(By.ID, "said").get_attribute("textContent")
    assert "32 bits" in said and "descending" in said
    head.find_element(By.TAG_NAME, "button").send_keys(Keys.SPACE)
    assert methods() == ["CMIMH", "CVH", "UCMFH"]
    Select(chromium.find_element(By.ID, "protocol")).select_by_value("far")
    assert not chromium.find_element(By.ID, "board-near").is_displayed()
    assert methods() == ["CVH", "CMIMH", "UCMFH"]
