"""What all families of pictures share: theme, figure, mosaics of tiles, text and HTML."""
