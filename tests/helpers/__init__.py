"""What several tests share: real media, clocks, scripted servers. Nothing here is a test."""
