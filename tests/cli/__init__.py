"""The command, as a shell runs it."""
