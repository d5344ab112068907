"""How a page is answered: fragments and redirects, the frame around it, its languages and its files."""
