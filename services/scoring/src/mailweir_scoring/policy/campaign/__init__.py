"""Campaigns: is this a copy of a mail that many were sent just now, or of one that was labelled before?"""
