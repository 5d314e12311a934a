"""Snakemake as it is, but asking the cluster every half second how its jobs are doing.

The executors wait up to minutes between two questions, which is right on a cluster that many share.
"""

import asyncio

from snakemake.cli import main
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor


async def _sleep(self: RemoteExecutor) -> None:
    await asyncio.sleep(0.5)


if __name__ == "__main__":
    RemoteExecutor.sleep = _sleep
    main()
