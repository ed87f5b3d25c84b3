"""The prediction process and the client through which the control plane sees it."""
