"""What is checked after every step and at the end: the invariants, the rules, exits, limits and costs."""
