"""Runs: what is asked for, judged, remembered and reported; importable without a command line."""
