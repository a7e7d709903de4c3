"""Care of the base: duplicates, bulk changes, backups, what is held on a person, erasure."""
