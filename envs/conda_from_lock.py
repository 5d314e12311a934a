"""Write the conda environment of `--sdm conda` from the lock: the same versions, nothing else."""

import re
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent


def conda_environment() -> str:
    """The text of pipeline.yaml: our direct requirements, pinned as the lock pins them."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())["project"]
    names = [re.match(r"[A-Za-z0-9-]+", line)[0] for line in project["dependencies"]]
    pins = locked((HERE / "requirements.lock").read_text())
    lines = [
        "# Written by `make lock` from requirements.lock; not to be edited.",
        "name: cmimh-pipeline",
        "channels: [conda-forge, nodefaults]",
        "dependencies:",
        "  - python=3.11",
        "  - pip",
        "  - pip:",
        *(f"      - {name}=={pins[name]}" for name in names),
    ]
    return "\n".join(lines) + "\n"


def locked(lock: str) -> dict[str, str]:
    """Name -> version for Python 3.11, from the lines ``name==version ; marker \\``."""
    found = re.findall(r"^([a-z0-9-]+)==([^\s;]+)(?: ; (.*?))? \\$", lock, re.MULTILINE)
    return {name: version for name, version, marker in found if ">= '3.12'" not in marker}


if __name__ == "__main__":
    (HERE / "pipeline.yaml").write_text(conda_environment())
