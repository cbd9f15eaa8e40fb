"""From pictures to labels: ``predictor.py`` compiles a model once, for any backend and picture size."""
