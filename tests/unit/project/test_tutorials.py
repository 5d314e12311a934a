"""The tutorials are followed as they stand: their code and their commands."""

import contextlib
import io
import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from pipeline import methods


def blocks(root, name, language="python"):
    text = (root / "docs" / "tutorials" / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def follow(root, folder, name, skip=()):
    """Run the commands of a tutorial in ``folder`` as a reader would; what each printed."""
    from test_commands import commands

    programs = {"python": ["-m"], "cmimh": ["-m", "pipeline.cli.console"],
                "snakemake": ["-m", "snakemake", "--snakefile", root / "Snakefile"]}  # fmt: skip
    env = {**os.environ, "PYTHONPATH": str(root)}
    said = {}
    for command in commands(root / "docs" / "tutorials" / f"{name}.md"):
        program, *words = shlex.split(command)
        if program not in programs or command.startswith(tuple(skip)):
            continue
        words = words[words[0] == "-m" :] if program == "python" else words
        overlays = [str(root / w) if w.startswith("overlays/") else w for w in words]
        done = subprocess.run(
            [sys.executable, *programs[program], *overlays],
            cwd=folder, env=env, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        assert done.returncode == 0, (command, done.stdout)
        said[command] = done.stdout
    return said


def test_a_method_is_added_as_the_tutorial_says(root, tmp_path, monkeypatch):
    source, trial = blocks(root, "method")
    (tmp_path / "pls.py").write_text(source)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(tmp_path)])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(trial, scope := {})
    agree = float(re.match(r"(0\.\d\d) of the bits of a pair agree", printed.getvalue())[1])
    assert agree > 0.7
    hasher = scope["hasher"]
    again = methods.create("pls", bits=16, seed=0, scaled=True).set_state(hasher.get_state())
    for view in ("image", "text"):
        encode = f"encode_{view}"
        expected = getattr(hasher, encode)(scope[view])
        np.testing.assert_array_equal(getattr(again, encode)(scope[view]), expected)


@pytest.mark.long
def test_the_notebook_runs_and_prints_what_it_shows(root):
    notebook = json.loads((root / "docs" / "tutorials" / "model.ipynb").read_text("utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    scope = {}
    for cell in code:
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec("".join(cell["source"]), scope)
        shown = "".join("".join(out["text"]) for out in cell["outputs"])
        # The last digits of a mean, and single bits near zero, may differ between machines.
        assert re.sub(r"\d", "0", printed.getvalue()) == re.sub(r"\d", "0", shown)
        for ours, kept in zip(*(re.findall(r"mAP (\S+)", t) for t in (printed.getvalue(), shown)),
                              strict=True):  # fmt: skip
            assert float(ours) == pytest.approx(float(kept), abs=0.05)
    assert scope["model"].bits == 16 and "the same codes: True" in shown


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_photographs_are_found_as_the_tutorial_says(root, tmp_path):
    from small_index import write_pictures

    (tmp_path / "new-pictures").mkdir()
    write_pictures(tmp_path / "new-pictures")
    said = follow(root, tmp_path, "photographs", skip=["cmimh serve", "cmimh index remove"])
    assert (tmp_path / "try-photos" / "results" / "report.html").is_file()
    assert said['cmimh search try-photos/index --text "a boat on the sea"'].count("scene") == 10
    assert "jobs are done, in" in said["cmimh try photos --methods cvh cmimh --bits 32"]


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_a_table_is_reproduced_as_the_tutorial_says(root, tmp_path):
    (overlay,) = blocks(root, "table", "yaml")
    (tmp_path / "mine.yaml").write_text(overlay)
    skip = ["snakemake --cores 8", "snakemake -n results/mirflickr25k"]
    said = follow(root, tmp_path, "table", skip)
    assert (tmp_path / "results" / "mine" / "table3.csv").is_file()
    assert "train" in next(text for command, text in said.items() if "-n" in command)
