"""Learning agents: state in, state out."""
