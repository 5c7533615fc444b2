"""How good a model is: protocols, what stands beside it, and what a difference is worth."""

# Here, so that the command line can name them without loading what they need.
PROTOCOLS = ("rating", "next-item", "new-user", "new-item", "global-time")
