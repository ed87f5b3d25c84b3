"""Will a trip be late?"""
