"""The design system of every page: colours and sizes as data (`tokens`), the shell (`base.html.j2`, `style.css`,
`enhance.js`), what stands in pages (`parts`, written by `parts.html.j2`), and how a page is made of them (`render`).

Pages are whole in one file: nothing is loaded from elsewhere, and they say all they have to say without scripts.
"""
