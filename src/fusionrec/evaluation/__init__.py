"""Evaluation: protocols, baselines, confidence intervals and reports."""

# Listed here, so that the command line needs no heavy imports.
PROTOCOLS = ("rating", "next-item", "random-holdout", "new-user", "new-item", "global-time")
