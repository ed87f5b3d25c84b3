"""What a release can be had as: requirements, executable, bill of materials, image."""
