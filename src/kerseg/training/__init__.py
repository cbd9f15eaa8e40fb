"""One training run: the loop, its state, its folder, its reports.

What is learned, and with what loss and optimizer, lives elsewhere.
"""
