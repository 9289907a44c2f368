"""Views: what answers each endpoint: functions from a request and the app to a response, without sockets."""
