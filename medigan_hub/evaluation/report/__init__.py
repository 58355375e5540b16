"""One report of what was judged: a page that stands alone, in words, pictures and tables."""
