"""Debian's Firefox for Playwright, which expects a newer one: started by Playwright in its place.

    python tests/firefox.py FIREFOX ARGUMENTS...

Playwright speaks WebDriver BiDi with a Firefox that is not its own. Before it opens any page it
sets which colours the reader prefers, by a command that Firefox ESR 153 does not know yet, and
gives up. This passes on all that the two say to each other, and answers that one command in
Firefox's place. So the preferred colours stay as they are; a newer Firefox answers for itself.
"""

import asyncio
import re
import sys
from collections.abc import Callable

# In a WebSocket, what a server says is not masked: a text of the same length fits into its frame.
UNKNOWN = re.compile(
    rb'\{"type":"error","id":(\d+),"error":"unknown command",'
    rb'"message":"emulation\.setMediaFeaturesOverride"[^{}]*\}'
)
LISTENING = re.compile(rb"WebDriver BiDi listening on ws://127\.0\.0\.1:(\d+)")


def done(error: re.Match[bytes]) -> bytes:
    """The answer to a command that is done, as long as the error."""
    answer = b'{"type":"success","id":%s,"result":{' % error[1]
    return answer.ljust(len(error[0]) - 2) + b"}}"


async def pass_on(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    change: Callable[[bytes], bytes] = lambda data: data,
) -> None:
    while data := await source.read(1 << 20):
        target.write(change(data))
        await target.drain()
    target.close()


async def main(command: list[str]) -> int:
    firefox = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    port = 0

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_firefox, to_firefox = await asyncio.open_connection("127.0.0.1", port)
        # Firefox refuses a request that names another port as its host.
        request = await reader.readuntil(b"\r\n\r\n")
        to_firefox.write(request.replace(b":%d" % own_port, b":%d" % port))
        await asyncio.gather(
            pass_on(reader, to_firefox),
            pass_on(from_firefox, writer, lambda data: UNKNOWN.sub(done, data)),
        )

    server = await asyncio.start_server(connect, "127.0.0.1", 0)
    own_port = server.sockets[0].getsockname()[1]
    assert firefox.stderr is not None
    async for line in firefox.stderr:
        if found := LISTENING.search(line):
            port = int(found[1])
            line = line.replace(found[1], str(own_port).encode())
        sys.stderr.buffer.write(line)
        sys.stderr.buffer.flush()
    return await firefox.wait()


if __name__ == "__main__":
    raise SystemExit(asyncio.run(main(sys.argv[1:])))
