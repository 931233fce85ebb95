"""A camera as the source of pictures.

Needs the extra ``camera``, or picamera2 on a Raspberry Pi. Tried with recordings and with stand-ins
for the drivers; no real camera was at hand.
"""
