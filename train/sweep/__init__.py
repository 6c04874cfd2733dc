"""Variants of the recipe, trained side by side and compared on one page."""
