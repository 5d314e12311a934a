"""Config files as written: keys given twice, and the experiments of an overlay."""

import pytest

from pipeline.errors import InputError
from pipeline.runs.config_files import check_keys, own_experiments

TWICE = {
    "top": ("a: 1\nb: 2\na: 3\n", "a is given twice, in line 1 and line 3"),
    "deep": (
        "a:\n  - b: {c: 1,\n        c: 2}\n",
        r"a\[0\].b.c is given twice, in line 2 and line 3",
    ),
    "json": ('{"a": 1,\n "a": 2}', "a is given twice, in line 1 and line 2"),
}


@pytest.mark.parametrize("case", TWICE)
def test_a_key_given_twice_is_named_with_both_lines(tmp_path, case):
    text, sentence = TWICE[case]
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(InputError, match=rf"c.yaml: {sentence}"):
        check_keys(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a: &x {b: 1}\nc: *x\nd: {<<: *x, b: 2}\n",
        "a: &x [*x]\n",
        "a: [",
        "\x00",
        "[1]",
        "{1: a, '1': b}",
    ],
)
def test_other_files_pass(tmp_path, text):
    (tmp_path / "c.yaml").write_text(text)
    check_keys(tmp_path / "c.yaml")


def test_the_project_s_own_configs_have_no_key_twice(root):
    for path in (root / "config.yaml", *(root / "overlays").glob("*.yaml")):
        check_keys(path)


def test_an_overlay_s_experiments_are_the_run_s(tmp_path):
    config = {"experiments": {"a": {}, "b": {}, "c": {}}}
    (tmp_path / "one.yaml").write_text("experiments: {c: {}, a: {}}")
    (tmp_path / "two.yaml").write_text("seeds: [0]")
    assert own_experiments(config, []) == ["a", "b", "c"]
    assert own_experiments(config, [tmp_path / "two.yaml"]) == ["a", "b", "c"]
    assert own_experiments(config, [tmp_path / "one.yaml", tmp_path / "two.yaml"]) == ["a", "c"]
