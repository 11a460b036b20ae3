# Tests of converter.
