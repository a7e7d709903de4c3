"""RTP, its codecs and tones; the media workers that relay and record it."""
