"""The table of cases names tests that exist, and cases that they have."""

import inspect
import re

import pytest
import test_hostile


@pytest.fixture(scope="module")
def rows(root):
    lines = (root / "docs" / "faults.md").read_text(encoding="utf-8").splitlines()
    return [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]


@pytest.fixture(scope="module")
def cases(rows):
    return [row for row in rows if row[-1].startswith("`test_")]


def test_at_least_sixty_cases_are_named_each_with_an_outcome(cases):
    assert len(cases) >= 60
    assert all(len(row) == 3 and all(row) for row in cases)
    assert len({row[0] for row in cases}) >= 60


def test_every_test_that_the_table_names_exists_with_its_case(root, cases):
    texts = {path: path.read_text(encoding="utf-8") for path in (root / "tests").rglob("test_*.py")}
    for _, _, named in cases:
        for name, case in re.findall(r"`(test_\w+)(?:\[(.+?)\])?`", named):
            homes = [text for text in texts.values() if f"def {name}(" in text]
            assert homes, name
            assert not case or any(f'"{case}"' in text for text in homes), (name, case)


def _hostile():
    """Each test of hostile files: its name, its cases, and a piece of what each ends in."""
    for name, test in inspect.getmembers(test_hostile, inspect.isfunction):
        if name.startswith("test_"):
            cases = {}
            for mark in getattr(test, "pytestmark", ()):
                given = mark.args[1]
                known = given if isinstance(given, dict) else test_hostile.MISTAKEN
                for case in map(str, mark.kwargs.get("ids", given)):
                    entry = known.get(case)
                    cases[case] = entry[1] if isinstance(entry, tuple) else ""
            yield name, cases


HOSTILE = dict(_hostile())


@pytest.mark.parametrize(("name", "cases"), list(HOSTILE.items()), ids=list(HOSTILE))
def test_every_case_of_hostile_files_is_in_the_tables_with_what_is_said(root, name, cases):
    text = (root / "docs" / "faults.md").read_text(encoding="utf-8")
    assert f"`{name}`" in text
    if cases:
        table = text.split(f"`{name}`\n\n| case |")[1].split("\n\n")[0].splitlines()[2:]
        rows = dict(line.strip("| ").split(" | ", 1) for line in table)
        assert rows.keys() == cases.keys()
        assert not {case: said for case, said in cases.items() if said not in rows[case]}
