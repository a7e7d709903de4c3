"""What a call came to: outcome, contact, and what follows from them; undone and corrected."""
