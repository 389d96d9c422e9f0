"""Filters of a net as mosaics, their statistics, and snapshots side by side."""
