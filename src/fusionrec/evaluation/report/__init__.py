"""A version's report: one HTML file with figures and plots, which opens without a network.

Use: ``render(artifact)``, or ``render(artifact, dataset)`` with the data set that the version was
trained on, which is needed to measure its holdout.
"""

from fusionrec.evaluation.report.page import render

__all__ = ["render"]
