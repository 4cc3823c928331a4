"""What comes from outside, made up: no exception that is not one of ours, and promises that hold for all of it."""
