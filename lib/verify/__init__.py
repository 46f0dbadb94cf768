"""Execute the pipeline again in a temporary clone and compare each fresh metric with the committed one."""
