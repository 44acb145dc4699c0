"""Where cameras stand, from people who walk through what they see."""
