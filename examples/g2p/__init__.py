"""A GRU encoder and decoder from the letters of English words to their phonemes."""
