"""Configure a process's logs and traces."""
