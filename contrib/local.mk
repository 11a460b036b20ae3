# Samples and scripts for users.
