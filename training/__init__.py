"""
The network that corrects carried alphas: generated clips, training, export.

`python -m training` trains it; nothing of the program imports this package.
"""
