"""Figures with their intervals, for every room and application: no data, no texts, no pages.

Each function takes arrays and gives a `gransk.core.statistics.figure.Figure` or says with
`InvalidValueError` that there is too little to give one.
"""
