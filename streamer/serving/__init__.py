"""Encoded packets out to viewers and media servers; nothing is decoded or encoded. Private."""
