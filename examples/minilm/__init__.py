"""The sentence encoder all-MiniLM-L6-v2 with a head that tells good from bad opinions."""
