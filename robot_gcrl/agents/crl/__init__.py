"""The contrastive goal-conditioned agent."""
