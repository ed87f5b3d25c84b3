"""Bytes named by digest, in a folder."""

from penstock.adapters.blobs.folder import FolderBlobs

__all__ = ["FolderBlobs"]
