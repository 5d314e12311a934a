"""``python -m pipeline``: every stage of the pipeline as a subcommand."""

import sys

from pipeline.tether import tether

if __name__ == "__main__":
    tether()  # before anything that takes time to import

    from pipeline.cli import main

    sys.exit(main())
