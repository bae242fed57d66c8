"""The coded record made into the patient table: feature specifications, code lists, layouts, and the folding of events.

Import its modules from runs and above; it imports packs, scoring, formats and the engine. What is counted of the events
is plain data (`deriving.folds`): the kinds of feature ask for it, the engine and the plain reference each work it out.
"""
