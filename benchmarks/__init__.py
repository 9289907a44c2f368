"""Benchmarks: imgpipe beside its peers, at equal output. Not part of the product; run by `make bench`."""
