"""Uploads without a screen, on the emulator."""
