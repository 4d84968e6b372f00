"""Episodes over an engine."""
