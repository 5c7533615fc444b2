"""Reports: one HTML file of a version or of two, which opens without a network.

Use: ``render(workspace, "v3")``, or ``render(workspace, "v3", "v4")`` to compare two.
"""

from fusionrec.evaluation.report.document import POLICY
from fusionrec.evaluation.report.make import Report, make, render

__all__ = ["POLICY", "Report", "make", "render"]
