"""Filling a release's store and text index: long work of processes of their own.

Apart from all that plans it, so that a process which does nothing else begins in a tenth of a second.
"""
