"""Files of trajectories to learn from: written from a policy in simulation, or from a recording."""
