# Sources of src/queue.
