"""Clusters of calcifications: simulated into real films, and the network that finds them.

No public training image at hand shows labelled calcifications. Every figure that this package
prints is of simulated clusters, unless a folder of real ones is given.
"""
