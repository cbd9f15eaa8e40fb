"""Fetching published files, for data and for models: transfer, unpacking, releases.

Nothing here knows what the files hold.
"""
