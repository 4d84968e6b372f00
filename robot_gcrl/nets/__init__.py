"""Network parts: pure functions and flax modules that know nothing of tasks or agents."""
