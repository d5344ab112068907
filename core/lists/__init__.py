"""What the long pages show: rows read page by page, and their words prepared once, outside the templates."""
