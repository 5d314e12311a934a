"""What pyproject.toml cannot say: an installed package carries the workflow inside.

In a checkout the Snakefile, its rules and the configuration stand around the package; a wheel has
them in pipeline/_project. pipeline/shipped.py finds either.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PROJECT = ("Snakefile", "config.yaml", "config", "workflow", "envs", "overlays", "profiles")


class BuildWithWorkflow(build_py):
    """Copies the files of the project into the package that is built."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        place = Path(self.build_lib, "pipeline", "_project")
        shutil.rmtree(place, ignore_errors=True)  # of an earlier build in this folder
        place.mkdir(parents=True)
        for name in PROJECT:
            source = Path(name)
            if source.is_dir():
                ignored = shutil.ignore_patterns("__pycache__", "*.py")
                shutil.copytree(source, place / name, ignore=ignored)
            else:
                shutil.copy(source, place / name)


setup(cmdclass={"build_py": BuildWithWorkflow})
