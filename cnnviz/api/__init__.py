"""What a user calls: load, run, measure, draw, save."""
