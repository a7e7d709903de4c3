"""Settings of the service: frozen, documented, read from one TOML file plus the environment."""
