"""Chaos: kills, stops and starves what works on a queue, and looks whether anything was lost. Run by `make chaos`."""
