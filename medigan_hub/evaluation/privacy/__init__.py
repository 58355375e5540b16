"""Whether a generative model hands out the images that it was trained on."""
