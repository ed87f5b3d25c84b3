"""How much bread will a bakery sell tomorrow?"""
