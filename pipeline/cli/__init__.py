"""Commands: stages for the workflow's rules, ``cmimh`` for people."""
