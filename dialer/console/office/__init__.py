"""People and the running service: signing in, users, stopping, health."""
