"""Everything measured about a checkpoint, section by section into its card: whole, or not at all.

A section that was measured on the same weights, data and settings is not measured again, so a report that was
interrupted goes on. Nothing is chosen on held-out photos: the calibration comes from validation photos.
"""

from l2ltr_core.evaluation.report.context import EvaluationContext, spread
from l2ltr_core.evaluation.report.run import write_report
from l2ltr_core.evaluation.report.sections import SECTIONS

__all__ = ["SECTIONS", "EvaluationContext", "spread", "write_report"]
