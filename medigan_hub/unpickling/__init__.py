"""Checkpoints of PyTorch, described by a process that can do nothing else.

A checkpoint is a pickle: a program for a small machine with a stack, which may ask
that any function be called. Here it is run by a machine of the hub's own
(``machine``) that calls none: what it builds are descriptions, such as "a tensor of
float32, of these sizes, whose numbers begin at this byte of the file". Nothing is
made from sizes, types or places that a file chooses until the hub, which gets the
description, has checked them (``medigan_hub.weights.rebuilding``).

The machine runs in a process of its own (``child``) that first gives up all that it
doesn't need (``confinement``). These modules import the standard library alone, so
that the process starts in a moment and has nothing that could be misused.
"""
