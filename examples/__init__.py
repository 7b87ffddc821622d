"""Runnable examples of Warrener."""
