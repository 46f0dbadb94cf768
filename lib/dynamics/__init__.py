"""Kinetics from features: VAMP scores, VAMPnets and their validation."""
