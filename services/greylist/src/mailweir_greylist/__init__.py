"""Greylisting: come back later?"""
