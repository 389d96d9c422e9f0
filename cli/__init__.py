"""The command line: one command per file, each thin: parse, one call, echo."""
