"""HTML pages made of the plots."""
