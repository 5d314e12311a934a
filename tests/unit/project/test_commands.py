"""Every command of the documents can be given as it stands, and is run by a test or marked.

The first tests read commands by the parsers of the programs they call. The table below says what
runs each; where nothing does, the page says why.
"""

import importlib.util
import re
import shlex
from argparse import ArgumentParser
from functools import partial
from pathlib import Path

import pytest
import yaml

from pipeline.cli import console, stages

ROOT = Path(__file__).resolve().parents[3]
PAGES = [*(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md",
                                    "config/README.md")),
         *sorted((ROOT / "docs").rglob("*.md"))]  # fmt: skip
PROGRAMS = ("make", "snakemake", "cmimh", "python")
#: what a command begins with, after the place of a program -> the test that runs it
RUN_BY = {
    r"make (demo|verify)$": "test_a_table_is_reproduced_as_the_tutorial_says",
    # what the public workflow file runs
    r"make (install|lint|test|test-fast|site)$":
        "test_the_public_workflow_file_runs_what_the_makefile_has",
    r"make resume$|python -m pipeline\.runs\.resume":
        "test_a_run_killed_at_chosen_moments_ends_as_an_undisturbed_one",
    r"make kills$": "test_a_run_killed_at_chosen_moments_ends_as_an_undisturbed_one",
    r"make command-kills$": "test_commands_that_are_killed_or_stopped_lead_to_the_same_end",
    r"make soak$": "test_a_server_bears_a_steady_load_a_change_and_a_crash",
    r"python -m pytest tests/unit/methods/test_(cvh|methods_contract)":
        "test_a_method_is_added_as_the_tutorial_says",
    r"snakemake .*all$": "test_all_makes_nine_tables_five_figures_and_the_report",
    r"snakemake all --report": "test_snakemake_s_own_report_holds_every_result_with_its_caption",
    r"snakemake --snakefile":
        "test_from_another_folder_the_config_is_found_and_results_come_there",
    r"snakemake --workflow-profile profiles/slurm":
        "test_the_table_through_slurm_is_the_local_one_byte_for_byte",
    r"snakemake .*results/mine/.* --configfile mine\.yaml":
        "test_an_overlay_of_one_s_own_data_plans_that_alone",
    r"snakemake .*overlays/coco-mini":
        "test_photographs_are_in_table_3_figures_4_and_5_and_the_gallery",
    r"snakemake .*overlays/demo\.yaml mine\.yaml":
        "test_a_table_is_reproduced_as_the_tutorial_says",
    r"snakemake .*pls\.yaml": "test_every_method_runs_in_table_3",
    r"snakemake -n results": "test_one_data_set_can_be_had_alone",
    r"cmimh (try|search|index (add|remove|info))|python -m pipeline draw":
        "test_photographs_are_found_as_the_tutorial_says",
    r"cmimh index create|cmimh encode": "test_an_index_is_made_filled_searched_and_emptied",
    r"cmimh serve": "test_the_page_searches_in_a_real_browser",
    r"python -m pipeline export": "test_an_exported_index_has_the_neighbours_of_the_evaluation",
}  # fmt: skip
#: likewise -> words of the page that say what it needs
MARKED = {
    r"snakemake --cores 8 results/(table3|mirflickr25k)": "needs? the real data",
    r"python -m pipeline download": "needs? the real data",
    r"python -c .*fetch_weights": "once on the head node",
    r"make rehearsal|snakemake .*overlays/(rehearsal|comparison)": "takes? hours",
    r"make habits": "minutes of a core",
    r"python -m benchmarks\.paper_run": "no GPU|core hours",
    r"make bench|python -m benchmarks": "needs? a quiet machine",
}


def commands(page: Path) -> list[str]:
    """The commands in the code blocks of a page, without comments, lines that go on joined."""
    found, fenced = [], False
    for line in page.read_text(encoding="utf-8").replace("\\\n", " ").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif fenced or line.startswith("    "):
            words = " ".join(re.split(r"\s+# ", line.strip())[0].split())
            words = words.removeprefix(".venv/bin/")
            if words.split(" ")[0] in PROGRAMS:
                found.append(words)
    return found


ALL = [(page, command) for page in PAGES for command in commands(page)]


@pytest.fixture(scope="module")
def snakemake_parser() -> ArgumentParser:
    from snakemake.cli import get_argument_parser

    return get_argument_parser()


@pytest.fixture(scope="module")
def experiments() -> set[str]:
    return set(yaml.safe_load((ROOT / "config.yaml").read_text())["experiments"])


def of_overlay(file: Path) -> set[str]:
    """What an overlay's experiments make; those of several protocols, a result for each too."""
    found = yaml.safe_load(file.read_text()).get("experiments", {})
    each = {f"{name}-{p}" for name, entry in found.items() for p in entry.get("protocols", ())}
    return {*found, *each}


def test_commands_are_found():
    assert len(ALL) > 50
    assert {command.split()[0] for _, command in ALL} == set(PROGRAMS)


def test_every_make_target_exists():
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    texts = [page.read_text() for page in PAGES]
    named = {t for text in texts for t in re.findall(r"`make ([a-z-]+)`", text)}
    named |= {command.split()[1] for _, command in ALL if command.startswith("make ")}
    assert len(named) > 8 and named <= targets


@pytest.mark.parametrize("program", ["cmimh", "python -m pipeline "])
def test_arguments_of_our_programs_are_accepted(program, capsys):
    parse = (console if program == "cmimh" else stages).parser().parse_args
    given = [(page, command) for page, command in ALL if command.startswith(program)]
    assert given
    for page, command in given:
        words = shlex.split(command.removeprefix(program).replace("[", "").replace("]", ""))
        try:
            parse(words)
        except SystemExit:
            pytest.fail(f"{page.name}: {command}: {capsys.readouterr().err}")


def test_modules_that_are_run_exist():
    modules = {m[1] for _, c in ALL if (m := re.match(r"python -m ([\w.]+)", c))}
    assert {"benchmarks.paper_run", "pipeline.runs.resume"} <= modules
    assert [m for m in modules if importlib.util.find_spec(m) is None] == []


def test_snakemake_commands_name_options_files_and_results_that_exist(
    snakemake_parser, experiments, monkeypatch, capsys
):
    for page, command in ALL:
        if not command.startswith("snakemake"):
            continue
        words = shlex.split(re.sub(r"(\w+)\{1,.*?\}", r"\g<1>1", command))[1:]
        try:
            args = snakemake_parser.parse_args(words)
        except SystemExit:
            pytest.fail(f"{page.name}: {command}: {capsys.readouterr().err}")
        text = page.read_text()
        for file in args.configfile or ():
            assert (ROOT / file).is_file() or f"# {file}" in text, (page.name, file)
        if args.workflow_profile:
            assert (ROOT / args.workflow_profile / "config.yaml").is_file()
        targets = [Path(t).stem for t in args.targets]
        known = experiments | {"report", "all", "verify"}
        for file in (ROOT / name for name in args.configfile or ()):
            known |= of_overlay(file) if file.is_file() else set()
        assert set(targets) <= known, (page.name, command)


def test_every_command_is_run_by_a_test_that_exists_or_the_page_says_what_it_needs():
    texts = "\n".join(p.read_text(encoding="utf-8") for p in (ROOT / "tests").rglob("test_*.py"))
    assert [test for test in RUN_BY.values() if f"def {test}(" not in texts] == []
    for page, command in ALL:
        begins = partial(re.match, string=command)
        if any(map(begins, RUN_BY)):
            continue
        needs = [words for pattern, words in MARKED.items() if begins(pattern)]
        assert needs, f"{page.name}: {command}: no test runs it, and nothing says why"
        assert re.search(needs[0], " ".join(page.read_text().split())), (page.name, command)
