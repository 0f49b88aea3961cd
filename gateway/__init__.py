"""HTTP and WebSockets in front of the entities; no domain code."""
