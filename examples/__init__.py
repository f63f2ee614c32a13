"""Ready-made tasks that double as documentation."""
