"""The built-in telephone network to practise with: a carrier with scripted clients, and a headset.

Each runs as a process of its own and speaks SIP and RTP over UDP, so the dialer cannot tell it from a real trunk.
`docs/practice.md` says which number does what.
"""
