"""The device room: what is known of the boards alledge runs on; may import runtime."""
