"""Engines that step tasks."""
