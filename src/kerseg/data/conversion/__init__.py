"""From raw files to checked shards and dataset.json, on one machine or many. No data set of its own."""
