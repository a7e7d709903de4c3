"""Getting clients in: files read, decoded, mapped, checked row by row."""
