"""Infers a ``fusionrec.toml`` from tables, with a reason for each guess: ``fusionrec init``."""
