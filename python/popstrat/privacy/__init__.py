"""Keeping people unknown: secret keys, keyed hashes, identifiers, NHS numbers, pseudonyms, the audit log,
disclosure control.

Import its modules from the rooms above; it scores nothing and knows no clinical rule."""
