"""What an evaluation shows: comparisons, the report's page, labels that look wrong. Nothing here predicts."""
