"""How good a model is: baselines, and lists beside what users really rated."""
