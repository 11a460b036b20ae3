# Sources of src/ingest.
