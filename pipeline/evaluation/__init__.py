"""Retrieval metrics of codes and of real-valued representations."""

from pipeline.evaluation.binary import evaluate
from pipeline.evaluation.real_valued import evaluate_real
from pipeline.evaluation.result import Result

__all__ = ["Result", "evaluate", "evaluate_real"]
