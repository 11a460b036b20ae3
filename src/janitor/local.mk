# Sources of src/janitor.
