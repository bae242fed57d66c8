"""Fitting models to outcomes, and recalibrating them: lists and outcomes in, a pack file out.

`fit` estimates the coefficients of a model whose terms a specification states; `recalibrate` fits an existing model's
intercept, slope or baseline to local outcomes. Both work out the terms with the engine that will score them, write a
new, sealed pack and never change one. The libraries they need are the extra ``fit``; scoring imports none of this.
"""

from __future__ import annotations

from popstrat.fitting.fitted import Fitted, TermFit
from popstrat.fitting.fitter import fit
from popstrat.fitting.outcomes import Columns
from popstrat.fitting.recalibrator import METHODS, Recalibrated, recalibrate

__all__ = ["METHODS", "Columns", "Fitted", "Recalibrated", "TermFit", "fit", "recalibrate"]
