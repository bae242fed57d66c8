"""Two helpers for text and names; everything else that was here is in `popstrat.formats` and `popstrat.core`."""
