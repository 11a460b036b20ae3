#!/bin/sh
# The short run of the simulator: fixed seeds, a few fresh ones, one fault at each call of two scenarios and of each kind
# of move. `make sim` is the long one, with the planted bugs.
set -eu
sim=${SIM:-tests/sim/sim}
"$sim" --seeds 600
"$sim" --seeds 100 --fresh
"$sim" --exhaustive --scenarios 2
"$sim" --moves
