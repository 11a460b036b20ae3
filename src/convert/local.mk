# Sources of src/convert.
