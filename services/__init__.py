"""Loops, order of steps, settings, routes, command line. No rules."""
