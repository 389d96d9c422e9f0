"""The rooms of the house, from the ground up: each may import those before it."""

ROOMS = ["errors", "formats", "engine", "analysis", "plots", "api", "pycaffe", "gallery", "cli"]
