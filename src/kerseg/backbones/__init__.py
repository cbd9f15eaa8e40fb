"""Trunks shared by architectures: image -> features, keyed by stride. Keras only."""
