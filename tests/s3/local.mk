# Tests of s3.
