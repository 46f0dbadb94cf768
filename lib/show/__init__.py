"""Figures, claims and the report."""
