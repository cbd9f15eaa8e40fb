"""What a file holds: pictures, arrays, volumes, shapes, documents, records. No data set and no pipeline."""
