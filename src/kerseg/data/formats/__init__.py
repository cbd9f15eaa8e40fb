"""What a file holds: images, arrays, volumes, shapes, documents, records. No data set and no pipeline."""
