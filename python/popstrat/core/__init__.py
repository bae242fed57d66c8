"""What every other room builds on and what knows nothing of health: files, hashes, versions, text, dates, cpus.

Anything here may be imported from its module; nothing here imports another room but `popstrat.errors`.
"""
