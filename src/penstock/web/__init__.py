"""One page, one URL, HTML or .json."""
