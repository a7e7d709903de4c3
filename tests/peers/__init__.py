"""Real SIP peers that this project did not write: sipp, baresip, Kamailio."""
