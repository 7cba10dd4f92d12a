"""REST below /api/v1: the calls of the gateway as resources."""

from services.web.rest import asking, cameras, events, memory, pictures, session, watches

ROUTERS = (
    session.router,
    cameras.router,
    pictures.router,
    memory.router,
    asking.router,
    watches.router,
    events.router,
)
