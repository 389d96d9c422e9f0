"""The table of layers: each module here has CASES, a list of layer_harness.Case."""
