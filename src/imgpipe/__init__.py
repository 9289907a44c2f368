"""imgpipe: one pipeline of image filters over many pictures, in one thread or in many."""

__version__ = "0.1.0"
