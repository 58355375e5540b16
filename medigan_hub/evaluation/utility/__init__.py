"""Whether synthetic images help a task: learners with and without them, on real test images."""
