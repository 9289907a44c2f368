"""Web: imgpipe over HTTP: a table of routes, views that know no sockets, and two ways to run them.

A request comes in through `server` (ours) or `wsgi` (somebody else's). `dispatch` lets it in or refuses it, and calls
the view that `routes` names; the view returns a `Response`. `wire` is the only module that knows how HTTP is spelt.
"""
