"""Model cards as people read them: as Markdown, and as pages with plots."""
