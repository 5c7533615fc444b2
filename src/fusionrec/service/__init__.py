"""The HTTP service: every answer of the command line as JSON, feedback, and a page."""
