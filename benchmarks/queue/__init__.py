"""Queue: how fast tasks go into a queue and out of it, imgpipe beside its peers. Run by `make bench-queue`."""
