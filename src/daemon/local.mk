# Sources of src/daemon.
