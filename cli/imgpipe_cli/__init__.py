"""The command line of imgpipe: parses, draws, and calls the library."""
