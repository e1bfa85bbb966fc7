"""Decides what runs when, and loses nothing."""
