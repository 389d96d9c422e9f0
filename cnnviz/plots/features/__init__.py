"""Feature maps, attributions and the images that activate a channel most."""
