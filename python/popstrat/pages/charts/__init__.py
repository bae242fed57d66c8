"""Charts as SVG in a page, drawn from figures with nothing but strings: a millisecond or two each.

`bars`, `stacked`, `run_chart`, `funnel`, `dots` and `curve` make a `Chart` each. Positions across are shares of the
width and positions down are pixels, so that a chart is as wide as its column while its text keeps its size: 12 pixels
and more on a phone. Colours come from the page's style sheet, light or dark; none carries a meaning alone.
"""
