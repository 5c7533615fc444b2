"""Anyone's files as a data set: what a ``fusionrec.toml`` says of them, and how they are read."""
