"""Files for operators; those in Python are imported by what they are for."""
