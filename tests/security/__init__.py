"""The security requirements S1-S38: `matrix.py` says what is required; a test proves one by its name (`test_s8_...`)."""
