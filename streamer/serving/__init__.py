"""Encoded video on its way to others: packets in, no codec and no picture. Private."""
