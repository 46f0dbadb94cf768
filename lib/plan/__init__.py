"""What a profile needs, said before anything starts: `python -m lib.plan paper`."""
