"""Figures of mammography."""
