# Tests of sim.
