"""``python -m pipeline``: every stage of the pipeline as a subcommand."""

import sys

from pipeline.jobs import die_with_parent

if __name__ == "__main__":
    die_with_parent()  # before anything that takes time to import

    from pipeline.cli.stages import main

    sys.exit(main())
