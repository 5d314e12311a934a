"""What the workflow has to know of its own runs: plan, progress, resuming, verifying."""
