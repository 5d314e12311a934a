"""Unsupervised cross-modal hashing, from raw downloads to tables: the stages of the pipeline."""

__version__ = "0.1.0"
