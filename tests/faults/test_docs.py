"""The table of cases names tests that exist, and cases that they have."""

import re

import pytest


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
