"""Organisations in a campaign: their groups and their consent."""
