"""Will a subscriber cancel within a month?"""
