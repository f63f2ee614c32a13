"""The pitch tracker CREPE, in its smallest size."""
