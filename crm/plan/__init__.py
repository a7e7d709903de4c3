"""What is planned, promised, tried and written down, as rows: entries, callbacks, attempts, outcomes."""
