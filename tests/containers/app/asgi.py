"""An application for uvicorn that says when its lifespan begins and ends."""


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = (await receive())["type"]
            print(message, flush=True)
            await send({"type": f"{message}.complete"})
            if message == "lifespan.shutdown":
                return
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"It runs by uvicorn\n"})
