"""Fixtures shared by all tests."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and reference figures, beside the checkout."""
    folder = Path(os.environ.get("CMIMH_SHARED", ROOT.parent / "shared"))
    if not folder.is_dir():
        pytest.skip(f"real data are read from {folder}, which is not there")
    return folder


@pytest.fixture(scope="session")
def wiki_overlay(shared: Path) -> dict:
    """One seed of the Wikipedia features, given as arrays."""
    return {
        "seeds": [0],
        "device": "cpu",
        "datasets": {
            "wiki": {
                "kind": "features",
                "raw": str(shared / "data" / "wiki"),
                "file": "wiki.mat",
                "features": "given",
                "split": "given",
            }
        },
    }


@dataclass
class Run:
    """A finished run of snakemake: its exit status, what it said, and where it worked."""

    status: int
    said: str
    folder: Path

    def __getitem__(self, path: str) -> Path:
        return self.folder / path


Runner = Callable[..., Run]


@pytest.fixture(scope="session")
def snakemake(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """``snakemake(*arguments, overlay={...}, folder=None)``; a new folder unless one is given.

    program: what stands for snakemake; env: what is added to the environment
    """

    def run(
        *arguments: str,
        overlay: dict | None = None,
        folder: Path | None = None,
        program: Sequence[str] = ("-m", "snakemake"),
        env: dict[str, str] | None = None,
    ) -> Run:
        folder = folder or tmp_path_factory.mktemp("run")
        written = folder / "overlay.yaml"
        written.write_text(yaml.safe_dump(overlay or {}))
        done = subprocess.run(
            [
                *(sys.executable, *program, "--snakefile", root / "Snakefile"),
                *("--directory", folder, "--cores", "2"),
                *arguments,
                *("--configfile", root / "config.yaml", written),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=root,
            env={**os.environ, **(env or {})},
        )
        return Run(done.returncode, done.stdout, folder)

    return run


@pytest.fixture(scope="session")
def demo_overlay(root: Path) -> dict:
    """The demo's overlay."""
    return yaml.safe_load((root / "overlays" / "demo.yaml").read_text())


@pytest.fixture
def chromium() -> Iterator[Any]:
    """A real browser without a window."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (browser and driver):
        pytest.skip("needs Chromium and its driver (packages chromium and chromium-driver)")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    flags = ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run",
             "disable-background-networking", "disable-component-update",
             "disable-sync")  # fmt: skip
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*flags, f"user-data-dir={profile}"):
            options.add_argument(f"--{flag}")
        service = Service(driver, log_output=os.devnull)
        opened = webdriver.Chrome(options=options, service=service)
        yield opened
        opened.quit()
