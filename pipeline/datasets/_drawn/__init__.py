"""The official archives, drawn: for rehearsals at true size on machines without the real data.

One module per data set, with ``draw(folder, **options)``, which writes what a download would.
"""
