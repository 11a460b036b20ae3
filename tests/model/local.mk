# The model of the protocol: `make model`.
EXTRA_DIST += tests/model/queue.pml tests/model/runs.txt tests/model/run.sh tests/model/README.md
