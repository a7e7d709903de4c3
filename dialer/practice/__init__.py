"""The practice network: a carrier with scripted clients, and a headset, over real SIP and RTP on loopback."""
