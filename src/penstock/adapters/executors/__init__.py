"""Where steps run: in this process, in workers of their release's environment, or on a Ray cluster."""
