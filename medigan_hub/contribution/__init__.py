"""What carries a trained network to a package that others can trust."""
