"""Mattes carried from key frames to the frames between them."""
