"""One page, one URL, HTML or .json."""

from penstock.web.site import create_web

__all__ = ["create_web"]
