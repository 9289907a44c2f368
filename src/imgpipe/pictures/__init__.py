"""Pictures: one file on disk: safely opened, completely read, and written so that it is whole or not there."""
