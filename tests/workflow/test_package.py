"""Wheel and sdist: what they hold, and that an installed one works without a checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile

import numpy as np
import pytest
import yaml

import pipeline

pytestmark = pytest.mark.long
NOT_SOURCE = (".*", "data", "results", "logs", "build", "dist", "__pycache__", "*.egg-info")
BUILD = "from setuptools import build_meta as b; print(b.build_{what}({where!r}))"


@pytest.fixture(scope="module")
def built(root, tmp_path_factory):
    """The folder with the wheel and the sdist of a copy of the project."""
    folder = tmp_path_factory.mktemp("package")
    ignored = shutil.ignore_patterns(*NOT_SOURCE)

    def only_at_the_top(place, names):
        kept = {"results", "data"} if place != str(root) else set()
        return ignored(place, names) - kept

    shutil.copytree(root, folder / "source", ignore=only_at_the_top)
    for what in ("sdist", "wheel"):
        code = BUILD.format(what=what, where=str(folder))
        subprocess.run([sys.executable, "-c", code], cwd=folder / "source", check=True)
    return folder


def test_the_wheel_carries_the_package_and_the_workflow(root, built):
    (wheel,) = built.glob("*.whl")
    assert wheel.name.startswith(f"cmimh_pipeline-{pipeline.__version__}-py3-none-any")
    with zipfile.ZipFile(wheel) as opened:
        names = set(opened.namelist())
    assert {
        "pipeline/__init__.py",
        "pipeline/search/page/search.html",
        "pipeline/results/paper/table3.csv",
        "pipeline/_project/Snakefile",
        "pipeline/_project/config.yaml",
        "pipeline/_project/overlays/demo.yaml",
        "pipeline/_project/envs/pipeline.yaml",
        "pipeline/_project/profiles/default/config.yaml",
    } <= names
    workflow = {str(p.relative_to(root)) for p in (root / "workflow").rglob("*") if p.is_file()}
    assert {f"pipeline/_project/{path}" for path in workflow} <= names
    modules = {str(p.relative_to(root)) for p in (root / "pipeline").rglob("*.py")}
    assert modules <= names
    tops = {name.split("/")[0] for name in names}
    assert tops == {"pipeline", f"cmimh_pipeline-{pipeline.__version__}.dist-info"}
    assert not any("__pycache__" in name for name in names)


def test_the_sdist_carries_what_a_checkout_has(built):
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {
        *("Snakefile", "workflow/Snakefile", "config.yaml", "Makefile", "LICENSE", "setup.py"),
        *("envs/requirements.lock", "tests/conftest.py", "docs/design.md", "overlays/demo.yaml"),
        *("pipeline/results/templates/report.css", "benchmarks/results/methods.md"),
    } <= names


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """``run(*command, cwd)`` in a new environment with the wheel; libraries come from this one."""
    place = tmp_path_factory.mktemp("fresh") / "environment"
    venv.create(place, with_pip=True)
    (wheel,) = built.glob("*.whl")
    pip = [place / "bin" / "python", "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, wheel], check=True)
    environment = {**os.environ, "PYTHONPATH": sysconfig.get_path("platlib")}

    def run(program, *arguments, cwd):
        done = subprocess.run(
            [place / "bin" / program, *arguments],
            cwd=cwd, env=environment, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


def test_an_installed_package_has_the_command_and_the_api(installed, root, tmp_path):
    assert installed("cmimh", "--version", cwd=tmp_path).strip() == pipeline.__version__
    code = "import pipeline; print(pipeline.__file__, pipeline.create('cvh', bits=8, seed=0))"
    said = installed("python", "-c", code, cwd=tmp_path)
    assert "environment" in said and str(root) not in said and "CVH(" in said


def test_an_installed_workflow_runs_from_any_folder(installed, root, tmp_path):
    snakefile = installed("cmimh", "snakefile", cwd=tmp_path).strip()
    arguments = ("-m", "snakemake", "-n", "--snakefile", snakefile, "results/table3.csv")
    said = installed("python", *arguments, cwd=tmp_path)
    assert "total" in said and f"{root}/pipeline" not in said and f"{root}/workflow" not in said


def test_methods_are_tried_with_an_installed_package(installed, tmp_path):
    rng = np.random.default_rng(0)
    labels = np.eye(3)[rng.integers(0, 3, 120)]
    views = {v: labels @ rng.normal(size=(3, 12)) + rng.normal(size=(120, 12)) for v in "ab"}
    split = np.array(["query"] * 20 + ["database"] * 100)
    np.savez(tmp_path / "mine.npz", image=views["a"], text=views["b"], labels=labels, split=split)
    options = ("--methods", "cvh", "imh", "--bits", "8")
    said = installed("cmimh", "try", "mine.npz", *options, cwd=tmp_path)
    assert "report.html" in said
    assert (tmp_path / "try-mine" / "results" / "report.html").is_file()


def test_the_version_stands_in_one_place_and_the_citation_agrees(root):
    assert pipeline.__version__ not in (root / "pyproject.toml").read_text()
    citation = yaml.safe_load((root / "CITATION.cff").read_text())
    assert citation["version"] == pipeline.__version__
