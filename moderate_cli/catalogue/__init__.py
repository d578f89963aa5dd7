"""What is known about the service beforehand: regions, endpoints and codes, as data files with look-ups."""
