"""Whether a generative model hands out the images that it was trained on.

Synthetic images are held against the training images, and what is found against held-out images:
those of the same kind, which the model never saw, and can't have copied.
"""
