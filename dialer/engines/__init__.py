"""The engines behind the telephony port: `native` (ours) and `pyvoip`."""
