#!/bin/sh
# running, success or failed, for the Slurm job $1. Without this a job that the scheduler kills
# (out of time, out of memory, cancelled) would be waited for endlessly.
state=$(scontrol show job --oneliner "$1" 2>/dev/null | sed -n 's/.* JobState=\([A-Z_]*\).*/\1/p')
if [ -z "$state" ]; then # forgotten by the controller: only accounting, if any, still knows
  state=$(sacct --noheader --parsable2 --allocations --format=State --jobs="$1" 2>/dev/null | cut -d' ' -f1)
fi
case "$state" in
  COMPLETED) echo success ;;
  PENDING | CONFIGURING | RUNNING | COMPLETING | SUSPENDED | REQUEUE*) echo running ;;
  *) echo failed ;;
esac
