"""Measures the client against peers and the physical limit: `python -m benchmarks`. No part of the package."""
