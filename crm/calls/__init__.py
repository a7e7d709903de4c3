"""Calls: may this number be dialled now, the attempt, its result, what may be written down of it; who keeps the client,
when it is tried again."""
