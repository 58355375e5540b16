"""What a plugin builds on: ``base`` turns requests into batches for any framework,
and each other module runs networks of one framework."""
