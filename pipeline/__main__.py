"""``python -m pipeline``: every stage of the pipeline as a subcommand."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.exit(main())
