"""What a consultant sets up: campaigns, lists, script, materials, rules."""
