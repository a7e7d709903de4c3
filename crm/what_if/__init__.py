"""What a campaign's changed rules would have made of the calls that were made: nothing here is written down."""
