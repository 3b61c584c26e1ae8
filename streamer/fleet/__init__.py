"""
Streams of many machines: a controller places them, and workers run them.

`controller.py` and what it is made of decide, and know neither Ray nor video; `worker.py` runs a
host of streams under leases; `messages.py` is what they tell each other.
"""
