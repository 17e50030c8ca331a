"""The fault matrix: `matrix.py` is the table, `python -m tests.fault` runs it and writes docs/fault-matrix.md."""
