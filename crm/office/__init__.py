"""The people of the office: who they are, and when they are away."""
