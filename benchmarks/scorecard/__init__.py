"""Scorecard: what imgpipe promises under force and malice, a row for each promise, to be repeated by anybody."""
