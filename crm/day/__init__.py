"""The day's plan: who is called by whom, in which order, and who holds a client now."""
