"""The desk for whoever runs the service: pages under /ops, made by Jinja2, which need no script."""
