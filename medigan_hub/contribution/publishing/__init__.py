"""From a project on disk to a record that can be cited, and an entry of the catalogue.

``steps`` goes the way; each other file is one thing that it needs. Nothing
here is imported before it is used: the libraries that it needs are an extra.
"""
