"""How what the office has is shown to people, on a page, in a terminal and in a file: dates, sums, names, lines of the
history, rows of sheets. It reads, and changes nothing."""
