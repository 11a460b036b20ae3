#!/bin/sh
# The short run of the simulator: every operation failing once, fixed seeds, and a few fresh ones.
set -eu
sim=${SIM:-tests/sim/sim}
"$sim" --exhaustive
"$sim" --first 1 --count 150
fresh=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
echo "fresh seeds from $fresh"
"$sim" --first "$fresh" --count 50
