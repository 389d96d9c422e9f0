"""What all families of figures share: theme, figure, mosaics of tiles, text and HTML."""
