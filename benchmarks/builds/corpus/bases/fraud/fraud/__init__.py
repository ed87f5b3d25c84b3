"""Is a card payment fraudulent?"""
