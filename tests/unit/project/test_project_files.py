"""Pages and files for contributors agree with the project that they speak of."""

import re

import pytest
import yaml

from pipeline import datasets
from pipeline.runs import plan
from pipeline.runs.config_files import completed

TOPS = ("pipeline/", "tests/", "docs/", "benchmarks/", "envs/", "workflow/", "overlays/", "config/")


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/licences.md", "docs/design.md"])
def test_every_file_that_a_page_names_is_there(root, page):
    text = (root / page).read_text()
    named = [n for n in re.findall(r"`([\w./-]+)`", text) if n.startswith(TOPS)]
    assert named
    assert [n for n in named if not (root / n).exists() and "<" not in n] == []


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs", "config"])
def test_links_between_pages_lead_somewhere(root, page):
    pages = sorted((root / page).glob("*.md")) if (root / page).is_dir() else [root / page]
    for path in pages:
        links = re.findall(r"\]\((?!https?:|#)([^)#]+)", path.read_text())
        assert [link for link in links if not (path.parent / link).exists()] == [], path


def test_every_bundled_data_file_has_its_terms(root):
    text = (root / "docs" / "licences.md").read_text()
    for folder in ("pipeline", "tests", "docs", "benchmarks"):
        for path in (root / folder).rglob("*"):
            name = path.relative_to(root).as_posix()
            if path.suffix in (".csv", ".json", ".png", ".jpg", ".npz") and "/records/" not in name:
                known = {name, f"{name.rpartition('/')[0]}/", f"{name.rpartition('/')[0]}/*.csv"}
                assert any(f"`{n}`" in text for n in known), name


def test_every_data_set_that_is_downloaded_has_its_terms(root):
    text = (root / "docs" / "licences.md").read_text().lower().replace("-", "")
    names = {"mirflickr25k": "mirflickr25k", "nuswide": "nuswide", "coco2017": "mscoco 2017"}
    downloaded = {kind for kind in datasets.available() if datasets.files(kind)}
    assert downloaded == set(names) and all(name in text for name in names.values())


def test_the_hooks_before_a_commit_are_those_of_make_lint(root):
    hooks = yaml.safe_load((root / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    makefile = (root / "Makefile").read_text()
    recipe = makefile[makefile.index("\nlint:") : makefile.index("\nformat:")]
    tools = {tuple(re.findall(r"\$\(BIN\)/(\S+)", line)) for line in recipe.splitlines()} - {()}
    assert {h["entry"].split()[0].removeprefix(".venv/bin/") for h in hooks} == {
        tool for (tool,) in tools
    }


def test_the_public_workflow_file_runs_what_the_makefile_has(root):
    workflow = yaml.safe_load((root / ".github" / "workflows" / "test.yml").read_text())
    runs = [step["run"] for step in workflow["jobs"]["test"]["steps"] if "run" in step]
    makefile = (root / "Makefile").read_text()
    assert runs and all(re.search(rf"^{run.split()[1]}:", makefile, re.MULTILINE) for run in runs)


def test_the_examples_of_a_configuration_are_valid(root):
    readme = (root / "config" / "README.md").read_text()
    example = re.search(r"```yaml\n(.*?)```", readme, re.DOTALL)[1]
    for text in (example, (root / "config" / "config.yaml").read_text()):
        config = completed(yaml.safe_load(text), root / "config.yaml")
        plan.validate(config, root / "workflow" / "schemas" / "config.schema.yaml")
        plan.check(config)


def test_the_catalogue_s_file_has_the_keys_of_its_standard(root):
    usage = yaml.safe_load((root / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert {"mandatory-flags", "software-stack-deployment", "report"} <= set(usage)
    assert set(usage["mandatory-flags"]) == {"desc", "flags"}
