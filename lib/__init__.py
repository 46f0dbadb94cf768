"""A replication suite for pre-trained all-atom geometric graph networks."""
