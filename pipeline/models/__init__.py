"""Trained hash functions as folders: written by the train stage, opened by ``load``."""
