"""Figures beside their limits, measured in the same run as what they depend on."""
