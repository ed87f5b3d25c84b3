"""`penstock new`: a project that passes its own checks and goes through the whole loop."""

from penstock.cli.new.make import make_project

__all__ = ["make_project"]
