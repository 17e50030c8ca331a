"""A secret put in by every way, and a search of everything that is left afterwards.

`session.py` runs in the process that uploads (a kernel, or a plain interpreter), `search.py` in the test.
"""
