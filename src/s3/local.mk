# Sources of src/s3.
