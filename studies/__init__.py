"""Try many, lose nothing, tell."""
