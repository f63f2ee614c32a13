"""Which plan next?"""
