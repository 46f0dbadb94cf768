"""How fast the suite is beside the libraries that the encoders come from: `python -m benchmarks --help`."""
