"""What every room stands on and no room's subject: files that appear whole, and the like.

Anything here may be imported from anywhere; nothing here imports more than `popstrat.errors`.
"""
