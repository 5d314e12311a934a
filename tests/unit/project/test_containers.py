"""Both container recipes are one: from the lock, by hash, with what a wheel needs, without root."""

import re
import shlex

import pytest

RECIPES = {"docker": "Dockerfile", "apptainer": "envs/apptainer.def"}


def lines(text):
    """The lines of a recipe without comments, those that go on joined."""
    kept = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    return [" ".join(line.split()) for line in kept.replace("\\\n", " ").splitlines()]


@pytest.fixture(params=RECIPES)
def recipe(root, request):
    return lines((root / RECIPES[request.param]).read_text())


def installs(recipe):
    return [line.removeprefix("RUN ") for line in recipe if "pip install" in line]


def test_everything_is_installed_from_the_lock_by_hash(recipe):
    libraries, own = map(shlex.split, installs(recipe))
    assert "--require-hashes" in libraries
    assert libraries[libraries.index("--requirement") + 1] == "/opt/cmimh/envs/requirements.lock"
    assert {"--no-deps", "--no-build-isolation", "/opt/cmimh"} <= set(own)


def test_both_recipes_are_the_same(root):
    texts = [lines((root / path).read_text()) for path in RECIPES.values()]
    bases = [
        {line.split()[1] for line in text if line.lower().startswith("from")} for text in texts
    ]
    assert bases[0] == bases[1] and len(bases[0]) == 1
    assert installs(texts[0]) == installs(texts[1])


def test_what_the_package_is_built_from_is_copied(root, recipe):
    copied = set()
    for words in map(str.split, recipe):
        if words and words[-1].startswith("/opt/cmimh") and "pip" not in words:
            copied.update(word for word in words[:-1] if word != "COPY")
    needed = set(re.search(r"PROJECT = \((.*?)\)", (root / "setup.py").read_text())[1].split(", "))
    needed = {name.strip('"') for name in needed}
    assert needed | {"pyproject.toml", "setup.py", "README.md", "LICENSE", "pipeline"} <= copied
    assert all((root / name).exists() for name in copied)


def test_the_build_context_has_what_is_copied(root):
    shown = {
        line[1:] for line in (root / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    for words in map(str.split, lines((root / "Dockerfile").read_text())):
        if words[:1] == ["COPY"]:
            assert {word.split("/")[0] for word in words[1:-1]} <= shown


def test_docker_does_not_run_as_root(root):
    users = [line for line in lines((root / "Dockerfile").read_text()) if line.startswith("USER")]
    assert users == ["USER cmimh"]


def test_the_base_has_the_python_of_the_lock(root):
    lock = (root / "envs" / "requirements.lock").read_text()
    assert "python-version 3.11" in (root / "Makefile").read_text() and "--hash=sha256:" in lock
    for path in RECIPES.values():
        assert "python:3.11-slim" in (root / path).read_text()


def test_a_user_without_an_account_has_a_home_and_a_name(root):
    settings = [line for line in lines((root / "Dockerfile").read_text()) if line[:4] == "ENV "]
    given = dict(word.split("=") for line in settings for word in line.split()[1:])
    assert {"HOME", "USER"} <= given.keys()  # else Snakemake ends in a KeyError of getpwuid
