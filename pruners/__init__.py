"""How is a model made smaller?"""
