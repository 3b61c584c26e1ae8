"""Which models there are, and how their weights get here."""
