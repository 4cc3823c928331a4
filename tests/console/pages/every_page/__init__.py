"""Every page in a real browser. Each file takes a minute or more: they run beside each other."""
