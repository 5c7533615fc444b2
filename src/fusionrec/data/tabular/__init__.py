"""Data sets from any tables, as a ``fusionrec.toml`` describes them."""
