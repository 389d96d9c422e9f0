"""The layer types: one module each (tight families share one), found by walking this folder.

A module whose name begins with an underscore holds what a family of layers shares.
"""
