"""Many runs at once: tasks x options x seeds, and what may be said of the result."""
