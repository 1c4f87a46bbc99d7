"""Attacks on a running server: generated requests and queries, raw bytes, and what must hold after each of them."""
