"""Charts of training logs, as figures and as interactive pages."""
