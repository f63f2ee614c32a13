"""What can be said on the command line, by subject."""
