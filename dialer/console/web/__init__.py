"""What every page stands on: who visits, what was sent, what is refused, words and templates."""
