"""Plots and pages about a run."""
