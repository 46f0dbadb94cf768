"""Numbers with intervals, and the file format of metrics."""
