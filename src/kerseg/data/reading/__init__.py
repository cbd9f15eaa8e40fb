"""From shards to batches: the pipeline, decoding, augmentation on the fly, integrity, previews.

Nothing here writes data.
"""
