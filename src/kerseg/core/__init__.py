"""What everything stands on: a data set's description, files, workers, progress, interruption.

Nothing here knows models, and nothing reads or writes data sets.
"""
