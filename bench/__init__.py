"""What is meant to be fast, measured side by side with a floor in the same run: `make bench`."""
