# Sources of src/converter.
