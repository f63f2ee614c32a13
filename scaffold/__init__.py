"""A first task file for somebody's own model, written from a few answers."""
