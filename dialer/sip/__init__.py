"""SIP without I/O: bytes and the time go in, bytes, timers and events come out (RFC 3261)."""
