"""Decides when work starts: the only place where events become work."""
